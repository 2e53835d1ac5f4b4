/** A button that changes something: shown to those whose role allows it, and asking first where it hurts. */
import { Button, type ButtonProps, Text } from "@mantine/core";
import { modals } from "@mantine/modals";
import type { ReactNode } from "react";
import { useMay } from "../lib/session.tsx";

export function ActionButton(
  props: ButtonProps & {
    needs?: "operator" | "admin";
    /** What will happen, in words; without it nothing is asked. */
    ask?: string;
    onAct: () => void;
    children: ReactNode;
  },
) {
  const { needs = "operator", ask, onAct, children, ...button } = props;
  const may = useMay(needs);
  if (!may) return null;
  const act = () => {
    if (ask === undefined) return onAct();
    modals.openConfirmModal({
      title: "Are you sure?",
      children: <Text size="sm">{ask}</Text>,
      labels: { confirm: "Yes", cancel: "No" },
      confirmProps: { color: button.color ?? "red" },
      onConfirm: onAct,
    });
  };
  return (
    <Button size="xs" {...button} onClick={act}>
      {children}
    </Button>
  );
}

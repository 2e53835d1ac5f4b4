/** One figure with its name, and what it means or is measured against. */
import { Card, Text } from "@mantine/core";
import type { ReactNode } from "react";

export function Stat(props: { name: string; value: ReactNode; note?: ReactNode; children?: ReactNode }) {
  return (
    <Card withBorder padding="md" style={{ minWidth: 0, overflowWrap: "anywhere" }}>
      <Text size="xs" c="dimmed" tt="uppercase" fw={600}>
        {props.name}
      </Text>
      <Text fz={26} fw={700} lh={1.3}>
        {props.value}
      </Text>
      {props.note !== undefined && (
        <Text size="sm" c="dimmed">
          {props.note}
        </Text>
      )}
      {props.children}
    </Card>
  );
}

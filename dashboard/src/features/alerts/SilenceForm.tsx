/** Asks for how long and why a rule, or one of its subjects, is to be silent. */
import { Button, Checkbox, Group, Modal, Select, Stack, Textarea } from "@mantine/core";
import { useState } from "react";
import { useAction } from "../../lib/data.ts";
import { words } from "../../lib/format.ts";
import { Problem } from "../../ui/Problem.tsx";

const HOURS = [1, 4, 12, 24, 72, 168];

export function SilenceForm(props: { rule: string; labels: Record<string, string>; onClose: () => void }) {
  const { rule, labels, onClose } = props;
  const subject = Object.values(labels).join(", ");
  const [hours, setHours] = useState("4");
  const [only, setOnly] = useState(subject !== "");
  const [comment, setComment] = useState("");
  const create = useAction(
    () => ({
      method: "POST",
      path: "/alerts/silences",
      body: {
        match: { rule, ...(only && subject !== "" ? { labels } : {}) },
        ends_at: new Date(Date.now() + Number(hours) * 3_600_000).toISOString(),
        comment: comment.trim(),
      },
    }),
    "Nobody is told of it until then.",
  );
  return (
    <Modal opened onClose={onClose} title={`Silence ${words(rule)}`}>
      <Stack>
        <Select
          label="For"
          value={hours}
          onChange={(value) => setHours(value ?? "4")}
          allowDeselect={false}
          data={HOURS.map((one) => ({
            value: String(one),
            label: one < 48 ? `${one} h` : `${one / 24} days`,
          }))}
        />
        {subject !== "" && (
          <Checkbox
            label={`Only for ${subject}`}
            checked={only}
            onChange={(event) => setOnly(event.currentTarget.checked)}
          />
        )}
        <Textarea
          label="Why"
          required
          value={comment}
          onChange={(event) => setComment(event.currentTarget.value)}
          maxLength={2000}
        />
        {create.error && <Problem error={create.error} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button
            disabled={comment.trim() === ""}
            loading={create.isPending}
            onClick={() => create.mutate(undefined, { onSuccess: onClose })}
          >
            Silence
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}

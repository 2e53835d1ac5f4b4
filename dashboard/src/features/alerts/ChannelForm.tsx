/** Makes a channel or changes one. A secret that is left empty stays as it is; it is never shown. */
import { Button, Checkbox, Group, Modal, PasswordInput, Select, Stack, TextInput } from "@mantine/core";
import type { AlertChannel, ChannelKind, Severity } from "@master-orchestrator/contract";
import { useState } from "react";
import { useAction } from "../../lib/data.ts";
import { Problem } from "../../ui/Problem.tsx";

const KINDS: Record<ChannelKind, { label: string; secret: string | null; target: string | null }> = {
  slack: { label: "Slack", secret: "Address of the incoming webhook", target: null },
  email: { label: "E-mail", secret: null, target: "To (separated by commas)" },
  webhook: { label: "Webhook", secret: "Signing secret (whsec_…)", target: "Address" },
  pagerduty: { label: "PagerDuty", secret: "Integration key", target: null },
};

interface Draft {
  name: string;
  kind: ChannelKind;
  target: string;
  secret: string;
  enabled: boolean;
  alerts: boolean;
  least_severity: Severity;
  daily_summary: boolean;
  weekly_report: boolean;
}

function draftOf(channel: AlertChannel | null): Draft {
  if (channel === null) {
    const switches = { enabled: true, alerts: true, daily_summary: false, weekly_report: false };
    return { name: "", kind: "slack", target: "", secret: "", least_severity: "info", ...switches };
  }
  const { name, kind, settings, enabled, alerts, least_severity, daily_summary, weekly_report } = channel;
  const target = Array.isArray(settings.to) ? settings.to.join(", ") : String(settings.url ?? "");
  return { name, kind, target, secret: "", enabled, alerts, least_severity, daily_summary, weekly_report };
}

function bodyOf({ name: _, target, secret, ...rest }: Draft) {
  const to = target.split(/[\s,;]+/).filter((one) => one !== "");
  const settings =
    rest.kind === "email" ? { to } : rest.kind === "slack" || target === "" ? null : { url: target };
  return { ...rest, ...(settings && { settings }), ...(secret.trim() !== "" && { secret: secret.trim() }) };
}

export function ChannelForm({ channel, onClose }: { channel: AlertChannel | null; onClose: () => void }) {
  const [draft, setDraft] = useState(() => draftOf(channel));
  const change = (part: Partial<Draft>) => setDraft((before) => ({ ...before, ...part }));
  const kind = KINDS[draft.kind];
  const save = useAction(
    () => ({
      method: "PUT",
      path: `/alerts/channels/${encodeURIComponent(draft.name)}`,
      body: bodyOf(draft),
    }),
    "The channel is set: test it.",
  );
  return (
    <Modal opened onClose={onClose} title={channel ? `Channel ${channel.name}` : "New channel"}>
      <Stack>
        <TextInput
          label="Name"
          value={draft.name}
          readOnly={channel !== null}
          onChange={(event) => change({ name: event.currentTarget.value })}
          required
          data-autofocus
        />
        <Select
          label="Kind"
          value={draft.kind}
          allowDeselect={false}
          disabled={channel !== null}
          onChange={(value) => change({ kind: (value ?? "slack") as ChannelKind, target: "" })}
          data={Object.entries(KINDS).map(([value, { label }]) => ({ value, label }))}
        />
        {kind.target && (
          <TextInput
            label={kind.target}
            value={draft.target}
            onChange={(event) => change({ target: event.currentTarget.value })}
            required
          />
        )}
        {kind.secret && (
          <PasswordInput
            label={kind.secret}
            description={channel?.has_secret ? "Empty: it stays as it is" : undefined}
            value={draft.secret}
            onChange={(event) => change({ secret: event.currentTarget.value })}
          />
        )}
        <Select
          label="Gets alerts from"
          value={draft.alerts ? draft.least_severity : "none"}
          allowDeselect={false}
          onChange={(value) =>
            change(
              value === "none"
                ? { alerts: false }
                : { alerts: true, least_severity: (value ?? "info") as Severity },
            )
          }
          data={[
            { value: "info", label: "info and above" },
            { value: "warning", label: "warning and above" },
            { value: "critical", label: "critical only" },
            { value: "none", label: "none: only what escalates to it" },
          ]}
        />
        <Group>
          <Switches draft={draft} change={change} />
        </Group>
        {save.error && <Problem error={save.error} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button
            disabled={draft.name === ""}
            loading={save.isPending}
            onClick={() => save.mutate(undefined, { onSuccess: onClose })}
          >
            Save
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}

function Switches({ draft, change }: { draft: Draft; change: (part: Partial<Draft>) => void }) {
  const names = { daily_summary: "Daily summary", weekly_report: "Weekly report", enabled: "On" } as const;
  return (Object.keys(names) as (keyof typeof names)[]).map((name) => (
    <Checkbox
      key={name}
      label={names[name]}
      checked={draft[name]}
      onChange={(event) => change({ [name]: event.currentTarget.checked })}
    />
  ));
}

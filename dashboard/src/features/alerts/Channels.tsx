/** Who is told, and whether that works: each channel with its test, its trouble, and its settings. */
import { Badge, Button, Group, Text } from "@mantine/core";
import type { AlertChannel } from "@master-orchestrator/contract";
import { useState } from "react";
import { useAction, useList } from "../../lib/data.ts";
import { useMay } from "../../lib/session.tsx";
import { ActionButton } from "../../ui/ActionButton.tsx";
import { DataTable } from "../../ui/DataTable.tsx";
import { Moment } from "../../ui/Moment.tsx";
import { ChannelForm } from "./ChannelForm.tsx";

export function Channels() {
  const may = useMay("admin");
  const [open, setOpen] = useState<AlertChannel | "new" | null>(null);
  const channels = useList<AlertChannel>("/alerts/channels", "channels");
  return (
    <>
      {may && (
        <Group justify="flex-end" mb="sm">
          <Button size="xs" onClick={() => setOpen("new")}>
            New channel
          </Button>
        </Group>
      )}
      <DataTable
        label="Channels"
        rows={channels.rows}
        keyOf={(channel) => channel.name}
        loading={channels.isPending}
        error={channels.error}
        empty="Nobody is told: make a channel, or set SLACK_WEBHOOK_URL."
        more={{
          has: channels.hasNextPage,
          loading: channels.isFetchingNextPage,
          load: () => void channels.fetchNextPage(),
        }}
        columns={[
          {
            title: "Channel",
            cell: (channel) => (
              <>
                <Text size="sm" fw={600}>
                  {channel.name}
                </Text>
                <Text size="xs" c="dimmed">
                  {channel.kind}
                  {channel.origin === "environment" && ", of the service's settings"}
                </Text>
              </>
            ),
          },
          { title: "Gets", cell: takesOf },
          { title: "State", cell: (channel) => <Standing channel={channel} /> },
          { title: "Waiting", cell: (channel) => channel.waiting, align: "right" },
          { title: "Last taken", cell: (channel) => <Moment at={channel.last_delivered_at} /> },
          { title: "", cell: (channel) => <Actions channel={channel} onEdit={() => setOpen(channel)} /> },
        ]}
      />
      {open !== null && <ChannelForm channel={open === "new" ? null : open} onClose={() => setOpen(null)} />}
    </>
  );
}

function takesOf(channel: AlertChannel): string {
  const alerts = channel.alerts ? `${channel.least_severity} and above` : "escalations";
  const summaries = [channel.daily_summary && "daily summary", channel.weekly_report && "weekly report"];
  return [alerts, ...summaries].filter(Boolean).join(", ");
}

function Standing({ channel }: { channel: AlertChannel }) {
  if (!channel.enabled) return <Badge color="gray">off</Badge>;
  if (channel.failures_in_row === 0) {
    return (
      <Badge color="teal" variant="light">
        well
      </Badge>
    );
  }
  return (
    <>
      <Badge color="red" variant="light">
        failing
      </Badge>
      <Text size="xs">
        {channel.last_error} ({channel.failures_in_row} in a row since <Moment at={channel.failing_since} />,
        next try <Moment at={channel.next_try_at} />)
      </Text>
    </>
  );
}

function Actions({ channel, onEdit }: { channel: AlertChannel; onEdit: () => void }) {
  const may = useMay("admin");
  const path = `/alerts/channels/${channel.name}`;
  const test = useAction<void, { ok: boolean; detail: string }>(
    () => ({ method: "POST", path: `${path}/test` }),
    ({ ok }) => (ok ? "The test was taken." : "The test was not taken: its reason stands beside it."),
  );
  const remove = useAction(() => ({ method: "DELETE", path }), "The channel is gone.");
  return (
    <Group gap={4}>
      <ActionButton variant="default" onAct={() => test.mutate()} loading={test.isPending}>
        Test
      </ActionButton>
      {may && channel.origin === "api" && (
        <>
          <ActionButton needs="admin" variant="subtle" onAct={onEdit}>
            Change
          </ActionButton>
          <ActionButton
            needs="admin"
            variant="subtle"
            color="red"
            ask={`Nobody is told through ${channel.name} any more; ${channel.waiting} waiting messages are dropped.`}
            onAct={() => remove.mutate(undefined)}
          >
            Remove
          </ActionButton>
        </>
      )}
      {test.data && (
        <Text size="xs" w="100%" c={test.data.ok ? "teal" : "red"} role="status">
          {test.data.ok ? "Test: " : "Test failed: "}
          {test.data.detail}
        </Text>
      )}
    </Group>
  );
}

/** What would make tasks cheaper: why, what is expected of it, what was measured; approved, rejected and taken back here. */
import { Code, Group, SegmentedControl, Text } from "@mantine/core";
import { useState } from "react";
import { useAction, useList } from "../../lib/data.ts";
import { count, percent } from "../../lib/format.ts";
import type { Adjustment } from "../../lib/wire.ts";
import { ActionButton } from "../../ui/ActionButton.tsx";
import { DataTable } from "../../ui/DataTable.tsx";
import { Moment } from "../../ui/Moment.tsx";
import { Page } from "../../ui/Page.tsx";
import { StateBadge } from "../../ui/StateBadge.tsx";

export function AdjustmentsPage() {
  const [state, setState] = useState("open");
  const list = useList<Adjustment>("/adjustments", "adjustments", { state });
  return (
    <Page
      title="Adjustments"
      about="When the tasks of a lane cost more than they used to, something cheaper is tried in the simulator and recommended here. Once approved it is measured, and taken back by rule if it did not help."
    >
      <SegmentedControl
        aria-label="Which adjustments"
        value={state}
        onChange={setState}
        data={[
          { value: "open", label: "Open" },
          { value: "any", label: "All" },
        ]}
        style={{ alignSelf: "flex-start" }}
      />
      <DataTable
        label="Adjustments"
        rows={list.rows}
        keyOf={(one) => one.adjustment_id}
        loading={list.isPending}
        error={list.error}
        empty={
          state === "open"
            ? "Nothing is recommended: no lane's tasks have become dearer than their own baseline."
            : "Nothing was ever recommended."
        }
        more={{
          has: list.hasNextPage,
          loading: list.isFetchingNextPage,
          load: () => void list.fetchNextPage(),
        }}
        columns={[
          { title: "What", cell: (one) => <What of={one} /> },
          { title: "Expected", cell: (one) => <Expected of={one} /> },
          { title: "Measured", cell: (one) => <Measured of={one} /> },
          { title: "State", cell: (one) => <State of={one} /> },
          { title: "", cell: (one) => <Decide adjustment={one} /> },
        ]}
      />
    </Page>
  );
}

function What({ of }: { of: Adjustment }) {
  return (
    <>
      <Text size="sm" fw={600}>
        {of.title}
      </Text>
      <Text size="xs" c="dimmed" maw={420}>
        {of.why}
      </Text>
      {of.changes.map(({ path, before, after }) => (
        <Code key={path.join(".")}>
          {path.join(".")}: {JSON.stringify(before)} → {JSON.stringify(after)}
        </Code>
      ))}
    </>
  );
}

function Expected({ of: { expected } }: { of: Adjustment }) {
  const { current, proposed } = expected.cost_per_task_usd;
  return (
    <>
      <Text size="sm">{percent(expected.saving_share)} less</Text>
      <Text size="xs" c="dimmed">
        {money(current)} → {money(proposed)} a task; wait p95 {seconds(expected.wait_p95_seconds.current)} →{" "}
        {seconds(expected.wait_p95_seconds.proposed)}; simulated over {count(expected.tasks)} tasks
      </Text>
    </>
  );
}

function Measured({ of: { before, after } }: { of: Adjustment }) {
  if (!after) return <Text size="sm">–</Text>;
  return (
    <>
      <Text size="sm">
        {money(before.cost_per_task_usd)} → {money(after.cost_per_task_usd)}
      </Text>
      <Text size="xs" c="dimmed">
        over {count(after.completed)} tasks, {count(after.dead_lettered)} dead letters
      </Text>
    </>
  );
}

function State({ of }: { of: Adjustment }) {
  return (
    <>
      <StateBadge state={of.state} />
      <Text size="xs" c="dimmed" maw={280}>
        {of.state === "proposed" ? <Moment at={of.proposed_at} /> : of.reason}
      </Text>
      {of.decided_by !== null && (
        <Text size="xs" c="dimmed">
          by {of.decided_by}
        </Text>
      )}
    </>
  );
}

/** Both change the policy. */
const BY_ADMIN = { role: "admin" } as const;

function Decide({ adjustment: { adjustment_id: id, state, changes } }: { adjustment: Adjustment }) {
  const decide = useAction<"approve" | "reject" | "roll-back", Adjustment>(
    (verb) => ({ method: "POST", path: `/adjustments/${id}/${verb}`, body: {} }),
    (answer) => answer.reason,
  );
  const fields = changes.map(({ path }) => path.join(".")).join(", ");
  if (state === "proposed") {
    return (
      <Group gap="xs" wrap="nowrap">
        <ActionButton
          {...BY_ADMIN}
          color="teal"
          variant="light"
          ask={`The policy is changed (${fields}). It is measured, and taken back by rule if it does not help.`}
          onAct={() => decide.mutate("approve")}
        >
          Approve
        </ActionButton>
        <ActionButton variant="subtle" color="gray" onAct={() => decide.mutate("reject")}>
          Reject
        </ActionButton>
      </Group>
    );
  }
  if (!["approved", "measuring", "kept"].includes(state)) return null;
  return (
    <ActionButton
      {...BY_ADMIN}
      variant="light"
      color="orange"
      ask={`The policy is changed back (${fields}), unless somebody has changed that since.`}
      onAct={() => decide.mutate("roll-back")}
    >
      Roll back
    </ActionButton>
  );
}

function money(amount: number | null): string {
  return amount === null ? "–" : `$${amount.toFixed(4)}`;
}

function seconds(value: number | null): string {
  return value === null ? "–" : `${value.toFixed(1)} s`;
}

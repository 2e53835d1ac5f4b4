/** What was written down of a migration: shadow differences with their explanations, runs, history. */
import { Badge, Chip, Group, Text } from "@mantine/core";
import type {
  MigrationEvent,
  MigrationRun,
  ShadowDifference,
  ShadowRun,
  ShadowRunList,
} from "@master-orchestrator/contract";
import { useState } from "react";
import type { z } from "zod";
import { useList } from "../../lib/data.ts";
import { exact, words } from "../../lib/format.ts";
import { DataTable } from "../../ui/DataTable.tsx";
import { IdLink } from "../../ui/IdLink.tsx";
import { Moment } from "../../ui/Moment.tsx";
import { StateBadge } from "../../ui/StateBadge.tsx";
import { stepText } from "./texts.ts";

type Run = z.infer<typeof MigrationRun>;
type Event = z.infer<typeof MigrationEvent>;
type Difference = z.infer<typeof ShadowDifference>;
type Summary = z.infer<typeof ShadowRunList>["summary"];

const moreOf = (list: {
  hasNextPage: boolean;
  isFetchingNextPage: boolean;
  fetchNextPage: () => unknown;
}) => ({
  has: list.hasNextPage,
  loading: list.isFetchingNextPage,
  load: () => void list.fetchNextPage(),
});

export function Shadow({ path }: { path: string }) {
  const [difference, setDifference] = useState<string>("");
  const shadow = useList<ShadowRun>(`${path}/shadow`, "shadow_runs", { difference });
  const { summary } = (shadow.data?.pages[0] ?? {}) as unknown as { summary?: Summary };
  const kinds = Object.entries(summary?.by_difference ?? {}) as [Difference, number][];
  return (
    <>
      {summary && summary.runs > 0 && (
        <Chip.Group value={difference} onChange={(value) => setDifference(value as string)}>
          <Group gap="xs" mb="sm">
            <Chip value="">all {summary.runs}</Chip>
            {kinds.map(([kind, number]) => (
              <Chip key={kind} value={kind}>
                {kind === "none" ? "no difference" : words(kind)} {number}
              </Chip>
            ))}
          </Group>
        </Chip.Group>
      )}
      <DataTable
        label="Shadow"
        rows={shadow.rows}
        keyOf={(run) => `${run.phase} ${run.slot} ${run.n8n?.execution_id ?? ""}`}
        loading={shadow.isPending}
        error={shadow.error}
        empty="Nothing was thought through yet: it begins with the shadow of phase 1."
        more={moreOf(shadow)}
        columns={[
          { title: "Slot", cell: (run) => exact(run.slot) },
          {
            title: "n8n did",
            cell: ({ n8n }) => (n8n === null ? "nothing" : `${exact(n8n.started_at)}, ${n8n.status}`),
          },
          {
            title: "The orchestrator would",
            cell: ({ orchestrator: would }) =>
              would === null
                ? "do nothing"
                : `start at ${exact(would.would_start_at)}${would.hold ? `, held: ${words(would.hold)}` : ""}`,
          },
          {
            title: "Difference",
            cell: (run) => (
              <Badge color={run.difference === "none" ? "teal" : "yellow"} variant="light">
                {run.difference === "none" ? "none" : words(run.difference)}
              </Badge>
            ),
          },
          { title: "Explanation", cell: (run) => <Text size="sm">{run.explanation}</Text> },
        ]}
      />
    </>
  );
}

export function Runs({ path }: { path: string }) {
  const runs = useList<Run>(`${path}/runs`, "runs");
  return (
    <DataTable
      label="Runs"
      rows={runs.rows}
      keyOf={(run) => `${run.slot} ${run.n8n_execution_ids.join()}`}
      loading={runs.isPending}
      error={runs.error}
      empty="No moment of its schedule has come yet."
      more={moreOf(runs)}
      columns={[
        { title: "Slot", cell: (run) => exact(run.slot) },
        { title: "Run by", cell: (run) => run.by },
        { title: "Way", cell: (run) => (run.way === "before" ? "as before" : "by the phase") },
        { title: "Outcome", cell: (run) => <StateBadge state={run.outcome} /> },
        { title: "In n8n", cell: (run) => run.n8n_execution_ids.join(", ") || "–" },
        {
          title: "Task",
          cell: (run) => (run.task_id === null ? "–" : <IdLink to="/queue" id={run.task_id} />),
        },
        { title: "Why", cell: (run) => <Text size="sm">{run.cause}</Text> },
      ]}
    />
  );
}

export function History({ path }: { path: string }) {
  const history = useList<Event>(`${path}/history`, "events");
  return (
    <DataTable
      label="History"
      rows={history.rows}
      keyOf={(event) => event.event_id}
      loading={history.isPending}
      error={history.error}
      empty="Nothing has happened yet."
      more={moreOf(history)}
      columns={[
        { title: "When", cell: (event) => <Moment at={event.at} /> },
        { title: "What", cell: (event) => words(event.event) },
        { title: "Step", cell: (event) => stepText(event) },
        { title: "Who", cell: (event) => event.actor },
        { title: "Why", cell: (event) => <Text size="sm">{event.cause}</Text> },
      ]}
    />
  );
}

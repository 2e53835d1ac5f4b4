/** The queue: lanes with their entitled and received shares, and each waiting task with the reason why. */
import { Box, SegmentedControl, Stack, Text } from "@mantine/core";
import { useState } from "react";
import { Route, Routes } from "react-router";
import { useApi, useList } from "../../lib/data.ts";
import { count, duration, exact, percent, words } from "../../lib/format.ts";
import type { Lane, Queue, TaskSummary } from "../../lib/wire.ts";
import { DataTable } from "../../ui/DataTable.tsx";
import { Fetched } from "../../ui/Fetched.tsx";
import { IdLink } from "../../ui/IdLink.tsx";
import { Moment } from "../../ui/Moment.tsx";
import { Page } from "../../ui/Page.tsx";
import { Section } from "../../ui/Section.tsx";
import { StateBadge } from "../../ui/StateBadge.tsx";
import { Shares } from "./Shares.tsx";
import { TaskPage } from "./TaskPage.tsx";

export function QueuePage() {
  return (
    <Routes>
      <Route index element={<Lanes />} />
      <Route path=":taskId" element={<TaskPage />} />
    </Routes>
  );
}

function Lanes() {
  const queue = useApi<Queue>("/queue");
  return (
    <Page
      title="Queue"
      about="Tasks compete in lanes: a content type within a workflow. The highest score goes first, as long as its lane is not ahead of its fair share."
    >
      <Section title="Lanes">
        <Fetched of={queue}>
          {({ lanes }) => (
            <DataTable
              label="Lanes"
              rows={lanes}
              keyOf={(lane) => lane.lane}
              empty="Nothing waits, and nothing has ended in the last hour."
              columns={[
                { title: "Lane", cell: (lane) => lane.lane },
                { title: "Waiting", cell: (lane) => <Depth lane={lane} />, align: "right" },
                { title: "Running", cell: (lane) => count(lane.running), align: "right" },
                { title: "Oldest", cell: (lane) => ageOf(lane), align: "right" },
                { title: "Last hour", cell: (lane) => count(lane.completed_last_hour), align: "right" },
                { title: "Entitled", cell: (lane) => percent(lane.entitled_share), align: "right" },
                { title: "Received", cell: (lane) => percent(lane.received_share), align: "right" },
                { title: "Held by", cell: (lane) => <HeldBy lane={lane} /> },
              ]}
            />
          )}
        </Fetched>
      </Section>
      {queue.data && <Shares lanes={queue.data.lanes} />}
      <Tasks />
    </Page>
  );
}

/** Of a lane so deep that it is counted aside: how many there are at least, or when it was counted. */
function Depth({ lane }: { lane: Lane }) {
  return (
    <span title={`counted at ${exact(lane.depth_counted_at)}`}>
      {count(lane.depth)}
      {lane.depth_at_least && "+"}
    </span>
  );
}

function ageOf({ oldest_age_seconds: seconds }: Lane): string {
  return seconds === null ? "–" : duration(seconds * 1000);
}

function HeldBy({ lane: { hold } }: { lane: Lane }) {
  if (!hold) return "–";
  return (
    <Stack gap={0}>
      <Box miw="max-content">
        <StateBadge state={hold.reason} />
      </Box>
      <Text size="xs" c="dimmed">
        {hold.cause}
      </Text>
    </Stack>
  );
}

const STATUSES = ["queued", "running", "retrying", "scheduled", "completed", "cancelled"] as const;

function Tasks() {
  const [status, setStatus] = useState<string>("queued");
  // What fits on a screen below the lanes: each row costs the browser a millisecond.
  const tasks = useList<TaskSummary>("/tasks", "tasks", { status, limit: 25 });
  return (
    <Section
      title="Tasks"
      actions={
        <SegmentedControl
          size="xs"
          aria-label="Status"
          value={status}
          onChange={setStatus}
          data={STATUSES.map((one) => ({ value: one, label: words(one) }))}
        />
      }
    >
      <DataTable
        label="Tasks"
        rows={tasks.rows}
        keyOf={(task) => task.task_id}
        loading={tasks.isPending}
        error={tasks.error}
        empty={`No task is ${words(status)}.`}
        more={{
          has: tasks.hasNextPage,
          loading: tasks.isFetchingNextPage,
          load: () => void tasks.fetchNextPage(),
        }}
        columns={[
          {
            title: "Task",
            cell: (task) => <IdLink to="/queue" id={task.task_id} />,
          },
          { title: "Lane", cell: (task) => `${task.workflow_type}/${task.content_type}` },
          { title: "Priority", cell: (task) => task.priority, align: "right" },
          { title: "Failures", cell: (task) => task.failures, align: "right" },
          {
            title: "Status",
            cell: (task) => <StateBadge state={task.status} />,
          },
          { title: "Enqueued", cell: (task) => <Moment at={task.created_at} /> },
          { title: "Ended", cell: (task) => <Moment at={task.completed_at} /> },
        ]}
      />
    </Section>
  );
}

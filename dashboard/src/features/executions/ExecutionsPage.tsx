/** Executions by filter, and the way to each. */
import { Group, Select, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useState } from "react";
import { Route, Routes } from "react-router";
import { useList } from "../../lib/data.ts";
import { duration, usd, words } from "../../lib/format.ts";
import type { ExecutionSummary } from "../../lib/wire.ts";
import { DataTable } from "../../ui/DataTable.tsx";
import { IdLink } from "../../ui/IdLink.tsx";
import { Moment } from "../../ui/Moment.tsx";
import { Page } from "../../ui/Page.tsx";
import { StateBadge } from "../../ui/StateBadge.tsx";
import { ExecutionPage } from "./ExecutionPage.tsx";
import { EXECUTION_STATUSES } from "./statuses.ts";

export function ExecutionsPage() {
  return (
    <Routes>
      <Route index element={<Executions />} />
      <Route path=":executionId" element={<ExecutionPage />} />
    </Routes>
  );
}

function Executions() {
  const [status, setStatus] = useState<string | null>(null);
  const [type, setType] = useState("");
  const [asked] = useDebouncedValue(type.trim(), 300);
  const executions = useList<ExecutionSummary>("/executions", "executions", { status, workflow_type: asked });
  return (
    <Page
      title="Executions"
      about="Cycles of the orchestrator, and the runs of sub-workflows that they began."
    >
      <Group>
        <Select
          label="State"
          placeholder="any"
          clearable
          value={status}
          onChange={setStatus}
          data={EXECUTION_STATUSES.map((one) => ({ value: one, label: words(one) }))}
        />
        <TextInput
          label="Workflow"
          placeholder="any"
          value={type}
          onChange={(event) => setType(event.currentTarget.value)}
        />
      </Group>
      <DataTable
        label="Executions"
        rows={executions.rows}
        keyOf={(execution) => execution.execution_id}
        loading={executions.isPending}
        error={executions.error}
        empty="No execution matches."
        more={{
          has: executions.hasNextPage,
          loading: executions.isFetchingNextPage,
          load: () => void executions.fetchNextPage(),
        }}
        columns={[
          {
            title: "Execution",
            cell: ({ execution_id: id }) => <IdLink to="/executions" id={id} />,
          },
          { title: "Workflow", cell: (execution) => execution.workflow_type },
          { title: "State", cell: (execution) => <StateBadge state={execution.status} /> },
          { title: "Tasks", cell: (execution) => execution.task_count, align: "right" },
          { title: "Attempts", cell: (execution) => execution.attempts_used, align: "right" },
          { title: "Cost", cell: (execution) => usd(execution.cost_usd), align: "right" },
          { title: "Began", cell: (execution) => <Moment at={execution.created_at} /> },
          { title: "Took", cell: tookOf, align: "right" },
        ]}
      />
    </Page>
  );
}

function tookOf({ created_at: from, completed_at: to }: ExecutionSummary): string {
  return to === null ? "–" : duration(Date.parse(to) - Date.parse(from));
}

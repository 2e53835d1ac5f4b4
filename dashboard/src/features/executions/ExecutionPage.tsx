/** One execution: its waterfall, what went in and came out, its error, transitions and children; replay and cancel. */
import { Anchor, SimpleGrid, Text } from "@mantine/core";
import { Link, useParams } from "react-router";
import { useAction, useApi } from "../../lib/data.ts";
import { duration, usd } from "../../lib/format.ts";
import type { Execution } from "../../lib/wire.ts";
import { ActionButton } from "../../ui/ActionButton.tsx";
import { DataTable } from "../../ui/DataTable.tsx";
import { Fetched } from "../../ui/Fetched.tsx";
import { IdLink } from "../../ui/IdLink.tsx";
import { Json } from "../../ui/Json.tsx";
import { Moment } from "../../ui/Moment.tsx";
import { Page } from "../../ui/Page.tsx";
import { Section } from "../../ui/Section.tsx";
import { Stat } from "../../ui/Stat.tsx";
import { StateBadge } from "../../ui/StateBadge.tsx";
import { Waterfall } from "./Waterfall.tsx";

export function ExecutionPage() {
  const { executionId = "" } = useParams();
  const path = `/executions/${encodeURIComponent(executionId)}`;
  const execution = useApi<Execution>(path);
  return (
    <Page
      title={`Execution ${executionId.slice(-12)}`}
      actions={execution.data && <Actions execution={execution.data} path={path} />}
    >
      <Fetched of={execution}>{(answer) => <About execution={answer} />}</Fetched>
    </Page>
  );
}

function Actions({ execution, path }: { execution: Execution; path: string }) {
  const cancel = useAction(() => ({ method: "POST", path: `${path}/cancel` }), "The execution is cancelled.");
  const replay = useAction(
    () => ({ method: "POST", path: `${path}/replay` }),
    "Its tasks are in the queue again.",
  );
  if (execution.workflow_type === "master_orchestrator") return null;
  return execution.completed_at === null ? (
    <ActionButton
      color="red"
      variant="light"
      ask="Its tasks are cancelled; what the run still brings is thrown away."
      onAct={() => cancel.mutate(undefined)}
    >
      Cancel
    </ActionButton>
  ) : (
    <ActionButton
      variant="light"
      color="indigo"
      ask="Its tasks run once more, as new tasks, and cost once more."
      onAct={() => replay.mutate(undefined)}
    >
      Replay
    </ActionButton>
  );
}

function About({ execution }: { execution: Execution }) {
  const { parent_execution_id: parent, completed_at: ended } = execution;
  return (
    <>
      <SimpleGrid cols={{ base: 2, md: 4 }}>
        <Stat name="State" value={<StateBadge state={execution.status} />} note={execution.workflow_type} />
        <Stat name="Tasks" value={execution.task_count} note={`${execution.attempts_used} attempts`} />
        <Stat
          name="Took"
          value={ended === null ? "–" : duration(Date.parse(ended) - Date.parse(execution.created_at))}
          note={<Moment at={execution.created_at} />}
        />
        <Stat
          name="Cost"
          value={usd(execution.cost_usd)}
          note={
            parent && (
              <Anchor component={Link} to={`/executions/${parent}`} size="sm">
                its parent
              </Anchor>
            )
          }
        />
      </SimpleGrid>
      {execution.attempts.length > 0 && (
        <Section title="Where the time went">
          <Waterfall execution={execution} />
        </Section>
      )}
      {execution.error !== null && (
        <Section title="Error">
          <Json value={execution.error} />
        </Section>
      )}
      {execution.children.length > 0 && <Children execution={execution} />}
      {execution.tasks.length > 0 && <Tasks execution={execution} />}
      <Section title="Transitions">
        <DataTable
          label="Transitions"
          rows={execution.transitions}
          keyOf={(one) => `${one.at} ${one.to} ${one.reason}`}
          empty="None."
          columns={[
            { title: "When", cell: (one) => <Moment at={one.at} /> },
            { title: "From", cell: (one) => (one.from ? <StateBadge state={one.from} /> : "–") },
            { title: "To", cell: (one) => <StateBadge state={one.to} /> },
            { title: "Why", cell: (one) => one.reason },
            { title: "Who", cell: (one) => one.actor },
          ]}
        />
      </Section>
      <Section title="Input">
        <Json value={execution.input} />
        {execution.input === null && <Text c="dimmed">None.</Text>}
      </Section>
      <Section title="Result">
        <Json value={execution.result} />
        {execution.result === null && <Text c="dimmed">None.</Text>}
      </Section>
      <Section title="Context">
        <Json value={execution.context} />
      </Section>
    </>
  );
}

function Children({ execution }: { execution: Execution }) {
  return (
    <Section title="Children">
      <DataTable
        label="Children"
        rows={execution.children}
        keyOf={(child) => child.execution_id}
        empty=""
        columns={[
          {
            title: "Execution",
            cell: (child) => <IdLink to="/executions" id={child.execution_id} />,
          },
          { title: "Workflow", cell: (child) => child.workflow_type },
          { title: "State", cell: (child) => <StateBadge state={child.status} /> },
          { title: "Tasks", cell: (child) => child.task_count, align: "right" },
        ]}
      />
    </Section>
  );
}

function Tasks({ execution }: { execution: Execution }) {
  return (
    <Section title="Tasks">
      <DataTable
        label="Tasks"
        rows={execution.tasks}
        keyOf={(task) => task.task_id}
        empty=""
        columns={[
          {
            title: "Task",
            cell: (task) => <IdLink to="/queue" id={task.task_id} />,
          },
          { title: "Type", cell: (task) => task.content_type },
          { title: "Status", cell: (task) => <StateBadge state={task.status} /> },
          { title: "Failures", cell: (task) => task.failures, align: "right" },
        ]}
      />
    </Section>
  );
}

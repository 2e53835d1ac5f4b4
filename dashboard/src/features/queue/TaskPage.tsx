/** One task: why it is waiting and when it will start, gate by gate; its errors, its history; priority and cancel. */
import {
  Alert,
  Button,
  Group,
  List,
  NumberInput,
  SimpleGrid,
  Text,
  TextInput,
  ThemeIcon,
} from "@mantine/core";
import { IconCheck, IconX } from "@tabler/icons-react";
import { useState } from "react";
import { useParams, useSearchParams } from "react-router";
import { useAction, useApi } from "../../lib/data.ts";
import { counted, duration, exact, words } from "../../lib/format.ts";
import { useMay } from "../../lib/session.tsx";
import type { Explanation, Task } from "../../lib/wire.ts";
import { ActionButton } from "../../ui/ActionButton.tsx";
import { DataTable } from "../../ui/DataTable.tsx";
import { Fetched } from "../../ui/Fetched.tsx";
import { IdLink } from "../../ui/IdLink.tsx";
import { Json } from "../../ui/Json.tsx";
import { Moment } from "../../ui/Moment.tsx";
import { Page } from "../../ui/Page.tsx";
import { Problem } from "../../ui/Problem.tsx";
import { Section } from "../../ui/Section.tsx";
import { Stat } from "../../ui/Stat.tsx";
import { StateBadge } from "../../ui/StateBadge.tsx";

const OVER: readonly string[] = ["completed", "cancelled", "dead_lettered"];

export function TaskPage() {
  const { taskId = "" } = useParams();
  const path = `/tasks/${encodeURIComponent(taskId)}`;
  const task = useApi<Task>(path);
  const [search, setSearch] = useSearchParams();
  const at = search.get("at") ?? "";
  const explanation = useApi<Explanation>(`${path}/explain`, { at }, { keep: true });
  const cancel = useAction(() => ({ method: "POST", path: `${path}/cancel` }), "The task is cancelled.");
  const over = OVER.includes(task.data?.status ?? "");
  return (
    <Page
      title={`Task ${taskId.slice(-12)}`}
      actions={
        task.data &&
        !over && (
          <ActionButton
            color="red"
            variant="light"
            ask="Its run is told to stop, and what it brings is thrown away."
            onAct={() => cancel.mutate(undefined)}
          >
            Cancel
          </ActionButton>
        )
      }
    >
      <Group justify="flex-end">
        <TextInput
          type="datetime-local"
          step={1}
          size="xs"
          label="As it was at (UTC)"
          value={at.slice(0, 19)}
          onChange={(event) => {
            const { value } = event.currentTarget;
            setSearch(value === "" ? {} : { at: `${value.length === 16 ? `${value}:00` : value}Z` }, {
              replace: true,
            });
          }}
        />
      </Group>
      {explanation.error && <Problem error={explanation.error} />}
      {explanation.data && <Why explanation={explanation.data} past={at !== ""} />}
      <Fetched of={task}>{(answer) => <About task={answer} over={over} />}</Fetched>
    </Page>
  );
}

function Why({ explanation, past }: { explanation: Explanation; past: boolean }) {
  const { verdict, hold, gates, slot_holders: holders, bound } = explanation;
  return (
    <Section title={past ? `As it was at ${exact(explanation.at)}` : "Why, and when"}>
      <Alert variant="outline" color={hold ? "yellow" : "teal"} title={verdict}>
        {hold?.expected_start && (
          <Text size="sm">
            Expected to start <Moment at={hold.expected_start} />.
          </Text>
        )}
      </Alert>
      {gates.length > 0 && (
        <List spacing={4} size="sm" aria-label="Gates">
          {gates.map(({ gate, passed, detail }) => (
            <List.Item
              key={gate}
              icon={
                <ThemeIcon
                  size={20}
                  radius="xl"
                  color={passed ? "teal" : "red"}
                  role="img"
                  aria-label={passed ? "passed" : "closed"}
                >
                  {passed ? <IconCheck size={14} /> : <IconX size={14} />}
                </ThemeIcon>
              }
            >
              <b>{words(gate)}</b>: {detail}
            </List.Item>
          ))}
        </List>
      )}
      {bound?.starts_within_seconds != null && (
        <Text size="sm" c="dimmed">
          At the present pace it starts within {duration(bound.starts_within_seconds * 1000)} at the latest.
        </Text>
      )}
      {holders.length > 0 && (
        <DataTable
          label="Who holds the slots"
          rows={holders}
          keyOf={(holder) => holder.execution_id}
          empty=""
          columns={[
            { title: "Slot held by", cell: (holder) => <IdLink to="/executions" id={holder.execution_id} /> },
            { title: "Workflow", cell: (holder) => holder.workflow_type },
            { title: "Since", cell: (holder) => <Moment at={holder.since} /> },
            { title: "Expected end", cell: (holder) => <Moment at={holder.expected_end} /> },
          ]}
        />
      )}
    </Section>
  );
}

function About({ task, over }: { task: Task; over: boolean }) {
  return (
    <>
      <SimpleGrid cols={{ base: 2, md: 4 }}>
        <Stat
          name="Status"
          value={<StateBadge state={task.status} />}
          note={`${task.workflow_type}/${task.content_type}`}
        />
        <Stat
          name="Rank"
          value={task.rank ?? "–"}
          note={task.score === null ? "does not wait" : `score ${task.score.toFixed(1)}`}
        />
        <Stat name="Failures" value={task.failures} note={counted(task.attempts.length, "attempt")} />
        <Stat name="Priority" value={task.priority}>
          {!over && <Priority task={task} />}
        </Stat>
      </SimpleGrid>
      {task.errors.length > 0 && (
        <Section title="Errors">
          <DataTable
            label="Errors"
            rows={task.errors}
            keyOf={(error) => `${error.execution_id} ${error.attempt}`}
            empty=""
            columns={[
              { title: "When", cell: (error) => <Moment at={error.at} /> },
              { title: "Code", cell: (error) => error.code },
              { title: "Message", cell: (error) => error.message },
              { title: "Execution", cell: (error) => <IdLink to="/executions" id={error.execution_id} /> },
            ]}
          />
        </Section>
      )}
      <Section title="Payload">
        <Json value={task.payload} />
      </Section>
      {task.result_data !== null && (
        <Section title="Result">
          <Json value={task.result_data} />
        </Section>
      )}
      <Section title="Executions">
        <Group>
          {task.execution_ids.map((id) => (
            <IdLink key={id} to="/executions" id={id} />
          ))}
          {task.execution_ids.length === 0 && <Text c="dimmed">None yet.</Text>}
        </Group>
      </Section>
    </>
  );
}

function Priority({ task }: { task: Task }) {
  const [priority, setPriority] = useState<number | string>(task.priority);
  const may = useMay("operator");
  const change = useAction(
    () => ({ method: "PATCH", path: `/tasks/${task.task_id}`, body: { priority: Number(priority) } }),
    "The priority is changed.",
  );
  if (!may) return null;
  return (
    <Group gap="xs" mt="xs" wrap="nowrap">
      <NumberInput
        size="xs"
        min={0}
        max={100}
        value={priority}
        onChange={setPriority}
        aria-label="Priority"
      />
      <Button
        size="xs"
        variant="default"
        style={{ flexShrink: 0 }}
        onClick={() => change.mutate(undefined)}
        loading={change.isPending}
        disabled={priority === task.priority}
      >
        Set
      </Button>
    </Group>
  );
}

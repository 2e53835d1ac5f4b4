/** The two state machines (docs/states.md) as they stand: how many executions and tasks are in which state. */
import { Anchor, Card, Group, Stack, Text, Title } from "@mantine/core";
import type { Overview } from "@master-orchestrator/contract";
import { IconChevronRight } from "@tabler/icons-react";
import { Fragment } from "react";
import { Link } from "react-router";
import { count, words } from "../../lib/format.ts";

/** In the order of a life; those of one step are its alternatives. */
const EXECUTION_STEPS = [
  ["IDLE"],
  ["ANALYZING"],
  ["DISPATCHING"],
  ["MONITORING", "ERROR_RECOVERY"],
  ["COMPLETED", "FAILED", "CANCELLED"],
];
const TASK_STEPS = [
  ["scheduled"],
  ["queued"],
  ["running", "retrying"],
  ["completed", "dead_lettered", "cancelled"],
];
const COUNTED = 10_000;

export function Machine({ states }: { states: Overview["states"] }) {
  return (
    <Card withBorder component="section" aria-label="States">
      <Stack gap="sm">
        <Title order={2} size="h4">
          States
        </Title>
        <Line
          name="Executions"
          steps={EXECUTION_STEPS}
          counts={states.executions}
          page={() => "/executions"}
        />
        <Line name="Tasks" steps={TASK_STEPS} counts={states.tasks} page={pageOf} />
        <Text size="xs" c="dimmed">
          Now; what has ended, within the last hour, and dead letters as long as they wait.
        </Text>
      </Stack>
    </Card>
  );
}

function pageOf(state: string): string {
  return state === "dead_lettered" ? "/dead-letters" : "/queue";
}

function Line(props: {
  name: string;
  steps: readonly (readonly string[])[];
  counts: Readonly<Record<string, number>>;
  page: (state: string) => string;
}) {
  return (
    <div>
      <Text size="xs" c="dimmed" tt="uppercase" fw={600} mb={4}>
        {props.name}
      </Text>
      <Group gap={6} align="center">
        {props.steps.map((step, i) => (
          <Fragment key={step[0]}>
            {i > 0 && <IconChevronRight size={16} aria-hidden />}
            <Stack gap={4}>
              {step.map((state) => (
                <State key={state} state={state} of={props.counts[state] ?? 0} page={props.page(state)} />
              ))}
            </Stack>
          </Fragment>
        ))}
      </Group>
    </div>
  );
}

function State({ state, of, page }: { state: string; of: number; page: string }) {
  return (
    <Card withBorder padding="4px 10px" radius="sm" miw={130}>
      <Group justify="space-between" gap="xs" wrap="nowrap">
        <Anchor component={Link} to={page} size="sm" c={of > 0 ? undefined : "dimmed"}>
          {words(state)}
        </Anchor>
        <Text size="sm" fw={of > 0 ? 700 : 400} data-state={state}>
          {count(of)}
          {of >= COUNTED && "+"}
        </Text>
      </Group>
    </Card>
  );
}

/** The registered workflows: their settings, schedule and circuit breakers, what is made of them at present; pause and resume. */
import { Accordion, Group, Text } from "@mantine/core";
import { useState } from "react";
import { useAction, useList } from "../../lib/data.ts";
import { words } from "../../lib/format.ts";
import type { Recovery, Workflow } from "../../lib/wire.ts";
import { ActionButton } from "../../ui/ActionButton.tsx";
import { Json } from "../../ui/Json.tsx";
import { Moment } from "../../ui/Moment.tsx";
import { Page } from "../../ui/Page.tsx";
import { Problem } from "../../ui/Problem.tsx";
import { StateBadge } from "../../ui/StateBadge.tsx";
import { Breakers, breakerOf } from "./Breakers.tsx";
import { Charts } from "./Charts.tsx";

export function WorkflowsPage() {
  const [opened, setOpened] = useState<string[]>([]);
  const workflows = useList<Workflow>("/workflows", "workflows");
  const recoveries = useList<Recovery>("/recoveries", "recoveries", { open: "true" });
  return (
    <Page
      title="Workflows"
      about="Sub-workflows that are dispatched to: the built-in ones, n8n's, or anything that answers a webhook."
    >
      {workflows.error && workflows.rows.length === 0 && <Problem error={workflows.error} />}
      <Accordion variant="separated" multiple value={opened} onChange={setOpened}>
        {workflows.rows.map((workflow) => (
          <Accordion.Item key={workflow.workflow_type} value={workflow.workflow_type}>
            <Accordion.Control>
              <Group gap="sm">
                <Text fw={600}>{workflow.workflow_type}</Text>
                {workflow.built_in && <StateBadge state="built in" />}
                {workflow.paused_by !== null && <StateBadge state="paused" />}
                {tripped(workflow, recoveries.rows).map((state) => (
                  <StateBadge key={state} state={state} />
                ))}
                <Text size="sm" c="dimmed">
                  {scheduleOf(workflow)}
                </Text>
              </Group>
            </Accordion.Control>
            <Accordion.Panel>
              <About workflow={workflow} />
              <Breakers workflow={workflow} breaker={breakerOf(recoveries.rows, workflow.workflow_type)} />
              <Json value={workflow.settings} />
              {opened.includes(workflow.workflow_type) && <Charts type={workflow.workflow_type} />}
            </Accordion.Panel>
          </Accordion.Item>
        ))}
      </Accordion>
    </Page>
  );
}

/** What is seen of breakers without opening anything: those that are not closed. */
function tripped(workflow: Workflow, recoveries: readonly Recovery[]): string[] {
  const own = breakerOf(recoveries, workflow.workflow_type);
  const targets = workflow.targets.filter(({ state }) => state === "open" || state === "half_open");
  return [
    ...(own ? [`breaker ${own.state}`] : []),
    ...targets.map(({ name, state }) => `${name}: breaker ${state}`),
  ];
}

function scheduleOf({ schedule_state: state, adapted }: Workflow): string {
  if (!state) return "no schedule";
  return adapted.every_seconds === null ? "scheduled" : `every ${Math.round(adapted.every_seconds / 60)} min`;
}

function About({ workflow }: { workflow: Workflow }) {
  const { workflow_type: type, paused_by: pausedBy, schedule_state: schedule, adapted } = workflow;
  const pause = useAction(() => ({ method: "POST", path: `/workflows/${type}/pause` }), `${type} is paused.`);
  const resume = useAction(() => ({ method: "POST", path: `/workflows/${type}/resume` }), `${type} goes on.`);
  return (
    <>
      <Group mb="sm">
        {pausedBy === null ? (
          <ActionButton
            variant="default"
            ask={`Nothing more is sent to ${type} until somebody resumes it.`}
            onAct={() => pause.mutate(undefined)}
          >
            Pause
          </ActionButton>
        ) : (
          <>
            <Text size="sm">Paused by {pausedBy}.</Text>
            <ActionButton variant="default" onAct={() => resume.mutate(undefined)}>
              Resume
            </ActionButton>
          </>
        )}
      </Group>
      {schedule && (
        <Text size="sm">
          Next slot <Moment at={schedule.next_slot} />
          {schedule.last_decision && ` · last: ${words(schedule.last_decision)} (${schedule.cause ?? ""})`}
        </Text>
      )}
      <Text size="sm" mb="sm">
        Batches of {adapted.batch_max} at the most now: {adapted.reason}
      </Text>
    </>
  );
}

/** The circuit breakers of a workflow and of each of its targets: closed, open or probing, why, and what closes them. */
import { Group, Text } from "@mantine/core";
import type { Recovery, Workflow } from "../../lib/wire.ts";
import { DataTable } from "../../ui/DataTable.tsx";
import { Moment } from "../../ui/Moment.tsx";
import { StateBadge } from "../../ui/StateBadge.tsx";

/** Of the recoveries that are open, the one that is this workflow's breaker. */
export function breakerOf(recoveries: readonly Recovery[], workflowType: string): Recovery | undefined {
  return recoveries.find(
    ({ procedure, subject }) => procedure === "trip_breaker" && subject === workflowType,
  );
}

function shown(state: Workflow["targets"][number]["state"]): string {
  return state === "open" || state === "half_open" ? `breaker ${state}` : state;
}

export function Breakers({ workflow, breaker }: { workflow: Workflow; breaker: Recovery | undefined }) {
  return (
    <>
      {breaker ? (
        <Group gap="xs" my="xs">
          <StateBadge state={`breaker ${breaker.state}`} />
          <Text size="sm">
            {breaker.cause}
            {breaker.next_at && (
              <>
                {" · next probe "}
                <Moment at={breaker.next_at} />
              </>
            )}
            {` · ends when: ${breaker.exit_rule}`}
          </Text>
        </Group>
      ) : (
        <Text size="sm">Its circuit breaker is closed.</Text>
      )}
      <DataTable
        label={`Targets of ${workflow.workflow_type}`}
        columns={[
          { title: "Target", cell: ({ name }) => name },
          { title: "State", cell: ({ state }) => <StateBadge state={shown(state)} /> },
          { title: "At work", align: "right", cell: ({ outstanding }) => outstanding },
          { title: "Failures in a row", align: "right", cell: ({ failures_in_row }) => failures_in_row },
          {
            title: "Next probe",
            cell: ({ next_probe_at }) => (next_probe_at ? <Moment at={next_probe_at} /> : "–"),
          },
          { title: "Last failure", cell: ({ last_failure }) => last_failure ?? "–" },
        ]}
        rows={workflow.targets}
        keyOf={({ name }) => name}
        empty="It runs in this process, without targets of its own."
      />
    </>
  );
}

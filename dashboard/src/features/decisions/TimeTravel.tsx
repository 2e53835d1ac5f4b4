/** How it all stood at a past moment: what ran, what was held and why, what the last cycle before it saw. */
import { Anchor, Group, SimpleGrid, Text, TextInput } from "@mantine/core";
import { Link, useSearchParams } from "react-router";
import { useApi } from "../../lib/data.ts";
import { exact } from "../../lib/format.ts";
import type { OrchestratorMoment } from "../../lib/wire.ts";
import { DataTable } from "../../ui/DataTable.tsx";
import { Fetched } from "../../ui/Fetched.tsx";
import { IdLink } from "../../ui/IdLink.tsx";
import { Json } from "../../ui/Json.tsx";
import { Section } from "../../ui/Section.tsx";
import { Stat } from "../../ui/Stat.tsx";
import { StateBadge } from "../../ui/StateBadge.tsx";

export function TimeTravel() {
  const [search, setSearch] = useSearchParams();
  const at = search.get("at") ?? "";
  const moment = useApi<OrchestratorMoment>(at === "" ? null : "/orchestrator/moment", { at });
  return (
    <Section title="Time travel">
      <Group align="flex-end">
        <TextInput
          type="datetime-local"
          step={1}
          label="How did it all stand at (UTC)"
          value={at.slice(0, 19)}
          onChange={(event) => {
            const { value } = event.currentTarget;
            setSearch(value === "" ? {} : { at: `${value.length === 16 ? `${value}:00` : value}Z` }, {
              replace: true,
            });
          }}
        />
        <Text size="sm" c="dimmed">
          Of one task at a moment tells its own page.
        </Text>
      </Group>
      {at !== "" && <Fetched of={moment}>{(answer) => <Shown moment={answer} />}</Fetched>}
    </Section>
  );
}

function Shown({ moment }: { moment: OrchestratorMoment }) {
  const { cycle, holds, running, recoveries } = moment;
  return (
    <>
      <SimpleGrid cols={{ base: 2, md: 4 }}>
        <Stat name="At" value={exact(moment.at).slice(11)} note={exact(moment.at).slice(0, 10)} />
        <Stat name="Running" value={running.length} note={moment.paused ? "paused" : "not paused"} />
        <Stat name="Held lanes" value={holds.length} />
        <Stat
          name="Policy"
          value={moment.policy_version === null ? "default" : `version ${moment.policy_version}`}
        />
      </SimpleGrid>
      <DataTable
        label="Held then"
        rows={holds}
        keyOf={(hold) => hold.lane}
        empty="Nothing was held."
        columns={[
          { title: "Lane", cell: (hold) => hold.lane },
          { title: "Reason", cell: (hold) => <StateBadge state={hold.reason} /> },
          { title: "Cause", cell: (hold) => hold.cause },
          { title: "Since", cell: (hold) => exact(hold.since) },
        ]}
      />
      <DataTable
        label="Ran then"
        rows={running}
        keyOf={(run) => run.execution_id}
        empty="Nothing ran."
        columns={[
          {
            title: "Execution",
            cell: (run) => <IdLink to="/executions" id={run.execution_id} />,
          },
          { title: "Workflow", cell: (run) => run.workflow_type },
          { title: "Since", cell: (run) => exact(run.since) },
          { title: "Tasks", cell: (run) => run.tasks, align: "right" },
        ]}
      />
      {recoveries.map((recovery) => (
        <Text key={recovery.recovery_id} size="sm">
          Recovery {recovery.procedure} of {recovery.subject}: {recovery.cause}
        </Text>
      ))}
      {cycle && (
        <Text size="sm">
          The last cycle before it:{" "}
          <Anchor component={Link} to={`/decisions/${cycle.cycle_id}`}>
            {exact(cycle.started_at)}
          </Anchor>
        </Text>
      )}
      <Json value={moment.snapshot} />
    </>
  );
}

/** One workflow on its way out of n8n: where it stands, its gates, how it goes on and back, and all that was written down. */
import { Alert, Anchor, Group, List, SimpleGrid, Tabs, Text } from "@mantine/core";
import type { Migration } from "@master-orchestrator/contract";
import { IconAlertTriangle } from "@tabler/icons-react";
import { useParams } from "react-router";
import { useApi } from "../../lib/data.ts";
import { count } from "../../lib/format.ts";
import { Fetched } from "../../ui/Fetched.tsx";
import { Moment } from "../../ui/Moment.tsx";
import { Page } from "../../ui/Page.tsx";
import { Section } from "../../ui/Section.tsx";
import { Stat } from "../../ui/Stat.tsx";
import { StateBadge } from "../../ui/StateBadge.tsx";
import { Gates } from "./Gates.tsx";
import { History, Runs, Shadow } from "./Records.tsx";
import { ByItself, Edited, GoBack, GoOn, Share } from "./Steering.tsx";
import { Track } from "./Track.tsx";

export function MigrationOf() {
  const { workflowType = "" } = useParams();
  const path = `/migrations/${encodeURIComponent(workflowType)}`;
  const migration = useApi<Migration>(path);
  return (
    <Page
      title={migration.data?.name ?? workflowType}
      about="Out of n8n's clocks by phases: each in shadow first, then for a share of the runs, then in full."
      actions={migration.data && <GoBack migration={migration.data} path={path} />}
    >
      <Fetched of={migration}>{(answer) => <About migration={answer} path={path} />}</Fetched>
      <Tabs defaultValue="shadow" keepMounted={false}>
        <Tabs.List>
          <Tabs.Tab value="shadow">Shadow</Tabs.Tab>
          <Tabs.Tab value="runs">Runs</Tabs.Tab>
          <Tabs.Tab value="history">History</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="shadow" pt="md">
          <Shadow path={path} />
        </Tabs.Panel>
        <Tabs.Panel value="runs" pt="md">
          <Runs path={path} />
        </Tabs.Panel>
        <Tabs.Panel value="history" pt="md">
          <History path={path} />
        </Tabs.Panel>
      </Tabs>
    </Page>
  );
}

function About({ migration, path }: { migration: Migration; path: string }) {
  const { state, cause, retry_at, since, workflow_type, n8n_url, schedules, time_zone, gates_at } = migration;
  return (
    <>
      <Edited migration={migration} path={path} />
      <Trouble migration={migration} />
      <Section title="Where it stands" actions={<ByItself migration={migration} path={path} />}>
        <Track step={migration} />
        <Group gap="sm">
          <StateBadge state={state} />
          <Text size="sm">
            since <Moment at={since} />
            {cause !== null && state !== "blocked" && `: ${cause}`}
            {retry_at !== null && (
              <>
                {" "}
                · n8n is asked <Moment at={retry_at} />
              </>
            )}
          </Text>
        </Group>
        <GoOn migration={migration} path={path} />
        {/* Another share is another slider: what somebody else has set is shown. */}
        <Share key={migration.share_percent} migration={migration} path={path} />
        <Text size="sm" c="dimmed">
          {workflow_type} · {schedules.join("; ")} ({time_zone}) ·{" "}
          <Anchor href={n8n_url} target="_blank" rel="noreferrer">
            in n8n
          </Anchor>{" "}
          · <Anchor href={`/api/v1${path}/original`}>its original</Anchor>
        </Text>
      </Section>
      <Section
        title="Gates"
        actions={
          gates_at !== null && (
            <Text size="sm" c="dimmed">
              judged <Moment at={gates_at} />
            </Text>
          )
        }
      >
        <Gates gates={migration.gates} />
      </Section>
      <Counted runs={migration.runs} />
    </>
  );
}

function Trouble({ migration: { state, cause, notes } }: { migration: Migration }) {
  return (
    <>
      {state === "blocked" && (
        <Alert
          color="red"
          icon={<IconAlertTriangle aria-hidden />}
          title="n8n refuses the change"
          role="alert"
        >
          {cause}
        </Alert>
      )}
      {notes.length > 0 && (
        <Alert color="blue" title="For a person to know or to do">
          <List size="sm">
            {notes.map((note) => (
              <List.Item key={note}>{note}</List.Item>
            ))}
          </List>
        </Alert>
      )}
    </>
  );
}

/** Counted from both sides: what was due, who ran it, and that nothing was lost or doubled. */
function Counted({ runs }: { runs: Migration["runs"] }) {
  const bad = (number: number) => (
    <Text span inherit c={number > 0 ? "red" : undefined}>
      {count(number)}
    </Text>
  );
  return (
    <SimpleGrid cols={{ base: 2, sm: 4 }}>
      <Stat
        name="Due"
        value={count(runs.due)}
        note={`${count(runs.by_n8n)} by n8n, ${count(runs.by_orchestrator)} from here, ${count(runs.open)} open`}
      />
      <Stat name="Succeeded" value={count(runs.succeeded)} note={`${count(runs.failed)} failed`} />
      <Stat name="Lost" value={bad(runs.lost)} note="due, and nobody ran it" />
      <Stat name="Doubled" value={bad(runs.doubled)} note="ran more than once" />
    </SimpleGrid>
  );
}

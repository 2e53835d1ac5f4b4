/** All workflows on their way out of n8n, the targets, the locks between them, and what is still only in n8n. */
import { Alert, Anchor, Box, Text } from "@mantine/core";
import type { Migration, N8nReachable } from "@master-orchestrator/contract";
import { IconPlugConnectedX } from "@tabler/icons-react";
import { Link, Route, Routes } from "react-router";
import type { z } from "zod";
import { useList } from "../../lib/data.ts";
import { count } from "../../lib/format.ts";
import { DataTable } from "../../ui/DataTable.tsx";
import { Moment } from "../../ui/Moment.tsx";
import { Page } from "../../ui/Page.tsx";
import { Section } from "../../ui/Section.tsx";
import { StateBadge } from "../../ui/StateBadge.tsx";
import { GatesAtOnce } from "./Gates.tsx";
import { Inventory } from "./Inventory.tsx";
import { Locks } from "./Locks.tsx";
import { MigrationOf } from "./MigrationOf.tsx";
import { Targets } from "./Targets.tsx";
import { Track } from "./Track.tsx";
import { stepText } from "./texts.ts";

export function MigrationPage() {
  return (
    <Routes>
      <Route index element={<Migrations />} />
      <Route path=":workflowType" element={<MigrationOf />} />
    </Routes>
  );
}

function Migrations() {
  const migrations = useList<Migration>("/migrations", "migrations");
  const { n8n } = (migrations.data?.pages[0] ?? {}) as unknown as { n8n?: z.infer<typeof N8nReachable> };
  return (
    <Page
      title="Migration"
      about="Workflows that leave n8n's clocks: by phases, behind gates, with the way back always open."
    >
      {n8n && <Reachable n8n={n8n} />}
      <Section title="On the way">
        <DataTable
          label="Migrations"
          rows={migrations.rows}
          keyOf={(migration) => migration.workflow_type}
          loading={migrations.isPending}
          error={migrations.error}
          empty="No workflow is on its way. Look into n8n below, and record a baseline."
          more={{
            has: migrations.hasNextPage,
            loading: migrations.isFetchingNextPage,
            load: () => void migrations.fetchNextPage(),
          }}
          columns={[
            {
              title: "Workflow",
              cell: (migration) => (
                <Anchor component={Link} to={migration.workflow_type}>
                  {migration.name}
                </Anchor>
              ),
            },
            { title: "Phase", cell: (migration) => <Track step={migration} short /> },
            { title: "State", cell: (migration) => <State of={migration} /> },
            { title: "Gates", cell: (migration) => <GatesAtOnce gates={migration.gates} /> },
            {
              title: "Lost, doubled",
              cell: ({ runs }) => `${count(runs.lost)}, ${count(runs.doubled)}`,
              align: "right",
            },
            { title: "Since", cell: (migration) => <Moment at={migration.since} /> },
            { title: "Next", cell: (migration) => <Next migration={migration} /> },
          ]}
        />
      </Section>
      <Section title="Targets">
        <Targets />
      </Section>
      <Section title="Contention for locks">
        <Locks />
      </Section>
      <Section title="In n8n">
        <Inventory />
      </Section>
    </Page>
  );
}

/** As wide as its word: in a full table the badge would be cut. */
function State({ of: { state } }: { of: Migration }) {
  return (
    <Box style={{ minWidth: "max-content" }}>
      <StateBadge state={state} />
    </Box>
  );
}

function Next({ migration: { next, next_opens, next_cause } }: { migration: Migration }) {
  if (next === null) return "at the end";
  return (
    <Text size="sm" c={next_opens ? "teal" : "dimmed"}>
      {stepText(next)}
      {next_opens ? ": open" : next_cause !== null && `: ${next_cause}`}
    </Text>
  );
}

function Reachable({ n8n }: { n8n: z.infer<typeof N8nReachable> }) {
  if (n8n.configured && n8n.reachable !== false) return null;
  const title = n8n.configured
    ? `n8n does not answer at ${n8n.url ?? "its address"}`
    : "n8n is not configured";
  return (
    <Alert color="yellow" icon={<IconPlugConnectedX aria-hidden />} title={title} role="alert">
      {n8n.configured ? (
        <>
          {n8n.error}. What was asked for is done when it is back; asked last <Moment at={n8n.asked_at} />.
        </>
      ) : (
        "Start the orchestrator with N8N_URL and N8N_API_KEY to look into it and to change workflows there."
      )}
    </Alert>
  );
}

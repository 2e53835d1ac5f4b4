/** What there is in n8n: each workflow, whether each phase can be done with it, and the first step, which changes nothing. */
import { Badge, Button, List, Text } from "@mantine/core";
import type { N8nInventory } from "@master-orchestrator/contract";
import { useState } from "react";
import { Link } from "react-router";
import type { z } from "zod";
import { useAction, useApi } from "../../lib/data.ts";
import { useMay } from "../../lib/session.tsx";
import { ActionButton } from "../../ui/ActionButton.tsx";
import { DataTable } from "../../ui/DataTable.tsx";
import { Fetched } from "../../ui/Fetched.tsx";

const BY_ADMINS = { role: "admin" } as const;
type Inventoried = z.infer<typeof N8nInventory>["workflows"][number];

/** No phase can be done with it: there is nothing to begin. */
const isStuck = ({ obstacles, migration }: Inventoried) =>
  migration === null && Object.values(obstacles).every((why) => why !== null);

export function Inventory() {
  const [asked, setAsked] = useState(false);
  const inventory = useApi<z.infer<typeof N8nInventory>>(asked ? "/migrations/inventory" : null);
  const start = useAction<Inventoried>(
    (workflow) => ({
      method: "POST",
      path: "/migrations",
      body: { n8n_workflow_id: workflow.n8n_workflow_id, workflow_type: workflow.workflow_type },
    }),
    "Its baseline is being recorded.",
  );
  if (!useMay("operator")) return <Text c="dimmed">Operators may look into n8n.</Text>;
  if (!asked) {
    return (
      <Button variant="default" onClick={() => setAsked(true)} w="fit-content">
        Look into n8n
      </Button>
    );
  }
  return (
    <Fetched of={inventory}>
      {({ workflows }) => (
        <DataTable
          label="Workflows in n8n"
          rows={workflows.toSorted((a, b) => Number(isStuck(a)) - Number(isStuck(b)))}
          keyOf={(workflow) => workflow.n8n_workflow_id}
          empty="There are no workflows in n8n."
          columns={[
            {
              title: "Workflow",
              cell: (workflow) => (
                <>
                  {workflow.name} {!workflow.active && <Badge color="gray">not active</Badge>}
                </>
              ),
            },
            { title: "Schedule", cell: (workflow) => workflow.schedules.join("; ") || "–" },
            { title: "AI nodes", cell: (workflow) => workflow.ai_nodes, align: "right" },
            { title: "Database nodes", cell: (workflow) => workflow.database_nodes, align: "right" },
            { title: "Obstacles", cell: (workflow) => <Obstacles of={workflow} /> },
            {
              title: "",
              cell: (workflow) =>
                isStuck(workflow) ? null : workflow.migration === null ? (
                  <ActionButton
                    {...BY_ADMINS}
                    loading={start.isPending && start.variables === workflow}
                    onAct={() => start.mutate(workflow)}
                  >
                    Record its baseline
                  </ActionButton>
                ) : (
                  <Link to={workflow.migration}>{workflow.migration}</Link>
                ),
            },
          ]}
        />
      )}
    </Fetched>
  );
}

function Obstacles({ of: { obstacles, name } }: { of: Inventoried }) {
  const those = Object.entries(obstacles).filter(([, why]) => why !== null);
  if (those.length === 0) return "none";
  return (
    <List size="sm">
      {those.map(([phase, why]) => (
        <List.Item key={phase}>
          <b>{phase}</b>: {why?.replace(`"${name}": `, "")}
        </List.Item>
      ))}
    </List>
  );
}

/** The gates of a phase: what was before, what is now, what is allowed, and the verdict in words. */
import { Badge, Progress, Text } from "@mantine/core";
import type { GateVerdict, MigrationGate } from "@master-orchestrator/contract";
import { percent, words } from "../../lib/format.ts";
import { DataTable } from "../../ui/DataTable.tsx";
import { measured, usedUp } from "./texts.ts";

const COLORS: Record<GateVerdict, string> = {
  holds: "teal",
  waiting: "yellow",
  breached: "red",
  not_measured: "gray",
};

export function Gates({ gates }: { gates: readonly MigrationGate[] }) {
  return (
    <DataTable
      label="Gates"
      rows={gates}
      keyOf={(gate) => gate.gate}
      empty="No gate yet: they begin with the first phase."
      columns={[
        {
          title: "Gate",
          cell: (gate) => (
            <Text size="sm" fw={600}>
              {words(gate.gate)}
            </Text>
          ),
        },
        { title: "Before", cell: (gate) => measured(gate.baseline, gate.unit), align: "right" },
        { title: "Now", cell: (gate) => measured(gate.now, gate.unit), align: "right" },
        { title: "Limit", cell: (gate) => measured(gate.limit, gate.unit), align: "right" },
        { title: "Used of what is allowed", cell: (gate) => <Used gate={gate} /> },
        { title: "Verdict", cell: (gate) => <Verdict verdict={gate.verdict} /> },
        {
          title: "Why",
          cell: (gate) => (
            <Text size="sm">
              {gate.cause} ({gate.runs} of {gate.runs_needed} runs)
            </Text>
          ),
        },
      ]}
    />
  );
}

function Used({ gate }: { gate: MigrationGate }) {
  const used = usedUp(gate);
  if (used === null) return <Text size="sm">–</Text>;
  return (
    <>
      <Progress
        value={Math.min(100, used * 100)}
        color={used > 1 ? "red" : used > 0.8 ? "yellow" : "teal"}
        aria-label={`${words(gate.gate)}: used of what is allowed`}
        miw={80}
      />
      <Text size="xs" c="dimmed">
        {percent(used)}
      </Text>
    </>
  );
}

export function Verdict({ verdict }: { verdict: GateVerdict }) {
  return (
    <Badge color={COLORS[verdict]} variant="light" style={{ minWidth: "max-content" }}>
      {words(verdict)}
    </Badge>
  );
}

/** How many gates say what, the worst first. */
export function GatesAtOnce({ gates }: { gates: readonly MigrationGate[] }) {
  const kinds = (["breached", "waiting", "not_measured", "holds"] as const).flatMap((verdict) => {
    const number = gates.filter((gate) => gate.verdict === verdict).length;
    return number === 0 ? [] : [{ verdict, number }];
  });
  if (kinds.length === 0) return <Text size="sm">–</Text>;
  return kinds.map(({ verdict, number }) => (
    <Badge key={verdict} color={COLORS[verdict]} variant="light" mr={4} style={{ minWidth: "max-content" }}>
      {number} {verdict === "holds" ? "hold" : words(verdict)}
    </Badge>
  ));
}

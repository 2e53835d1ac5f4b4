/** What would have changed: the recorded past under the policy in force and under the draft, side by side. Changes nothing. */
import { Button, Group, Select, Table, Text } from "@mantine/core";
import type { PolicyOutcome } from "@master-orchestrator/contract";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { call } from "../../lib/api.ts";
import { count, counted, duration, usd } from "../../lib/format.ts";
import { useMay } from "../../lib/session.tsx";
import type { PolicyPreview } from "../../lib/wire.ts";
import { Problem } from "../../ui/Problem.tsx";

const SPANS = [
  { value: "24", label: "the last day" },
  { value: "72", label: "the last 3 days" },
  { value: "168", label: "the last week" },
];

export function Preview({ draft }: { draft: Record<string, unknown> }) {
  const may = useMay("operator");
  const [hours, setHours] = useState("24");
  const preview = useMutation({
    mutationFn: () => call<PolicyPreview>("POST", "/policy/preview", { policy: draft, hours: Number(hours) }),
  });
  if (!may) return null;
  return (
    <>
      <Group align="flex-end">
        <Select
          label="Try it on"
          data={SPANS}
          value={hours}
          onChange={(value) => setHours(value ?? "24")}
          allowDeselect={false}
        />
        <Button variant="default" onClick={() => preview.mutate()} loading={preview.isPending}>
          What would have changed?
        </Button>
      </Group>
      {preview.error && <Problem error={preview.error} />}
      {preview.data && <Compared preview={preview.data} />}
    </>
  );
}

function Compared({ preview }: { preview: PolicyPreview }) {
  const { current, proposed, tasks, cut, guessed, policy_version: version } = preview;
  const lanes = [...new Set([...current.lanes, ...proposed.lanes].map(({ lane }) => lane))];
  const waitOf = ({ lanes: of }: PolicyOutcome, lane: string) =>
    spread(of.find((one) => one.lane === lane)?.wait ?? null);
  const rows: [what: string, cell: (outcome: PolicyOutcome) => string][] = [
    ["Completed", (of) => count(of.completed)],
    ["Dead letters", (of) => count(of.dead_lettered)],
    ["Never started", (of) => count(of.unfinished)],
    ["Completed per hour", (of) => of.completed_per_hour.toFixed(1)],
    ["Wait p50 / p95 / max", (of) => spread(of.wait)],
    ...lanes.map((lane): (typeof rows)[number] => [`· ${lane}`, (of) => waitOf(of, lane)]),
    ["Result after p50 / p95 / max", (of) => spread(of.result)],
    ["Cost", (of) => usd(of.cost_usd)],
    ["Dearest day", (of) => `${usd(of.dearest_day_usd)} of ${usd(of.daily_usd)}`],
    ["Headroom of that day", (of) => usd(of.headroom_usd)],
    ["Slots at once, of", (of) => `${of.slots.peak} of ${of.slots.limit}`],
  ];
  return (
    <>
      <Text size="sm" c="dimmed">
        {counted(tasks, "recorded task")}
        {cut && " (the newest; there were more)"}
        {guessed > 0 && `, ${count(guessed)} of them with the duration that is usual in their lane`}, through
        the simulator. Nothing is changed.
      </Text>
      <Table.ScrollContainer minWidth={480}>
        <Table striped verticalSpacing="xs" aria-label="What would have changed">
          <Table.Thead>
            <Table.Tr>
              <Table.Th scope="col">Of the past</Table.Th>
              <Table.Th scope="col" ta="right">
                Version {version}
              </Table.Th>
              <Table.Th scope="col" ta="right">
                With your changes
              </Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {rows.map(([what, cell]) => {
              const [before, after] = [cell(current), cell(proposed)];
              return (
                <Table.Tr key={what}>
                  <Table.Th scope="row" fw={400}>
                    {what}
                  </Table.Th>
                  <Table.Td ta="right">{before}</Table.Td>
                  <Table.Td ta="right" fw={before === after ? 400 : 700}>
                    {after}
                  </Table.Td>
                </Table.Tr>
              );
            })}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </>
  );
}

function spread(of: { p50: number; p95: number; max: number } | null): string {
  return of === null ? "–" : [of.p50, of.p95, of.max].map((seconds) => duration(seconds * 1000)).join(" / ");
}

/** How a workflow did in the last days, hour by hour: how long its tasks took, how many succeeded, what they cost. */
import { BarChart, LineChart } from "@mantine/charts";
import { SegmentedControl, SimpleGrid, Stack, Text, Title } from "@mantine/core";
import { type ReactNode, useState } from "react";
import { useApi } from "../../lib/data.ts";
import { count, duration, percent, usd } from "../../lib/format.ts";
import type { History } from "../../lib/wire.ts";
import { Drawing } from "../../ui/Drawing.tsx";
import { Fetched } from "../../ui/Fetched.tsx";

const STEPS = [
  { value: "minute", label: "last hour" },
  { value: "hour", label: "last 60 hours" },
  { value: "day", label: "last 60 days" },
];

const HEIGHT = 160;

export function Charts({ type }: { type: string }) {
  const [step, setStep] = useState("hour");
  const history = useApi<History>("/metrics/history", { step, workflow_type: type }, { keep: true });
  return (
    <Stack gap="xs" mt="md">
      <SegmentedControl
        size="xs"
        aria-label={`Span of ${type}`}
        value={step}
        onChange={setStep}
        data={STEPS}
      />
      <Fetched of={history}>
        {({ points }) =>
          points.length === 0 ? (
            <Text c="dimmed">Nothing of it has ended in this time.</Text>
          ) : (
            <Lines points={points} step={step} />
          )
        }
      </Fetched>
    </Stack>
  );
}

function Lines({ points, step }: { points: History["points"]; step: string }) {
  const sum = (of: (point: History["points"][number]) => number) =>
    points.reduce((all, point) => all + of(point), 0);
  const [completed, dead, cost] = [
    sum((point) => point.completed),
    sum((point) => point.dead_lettered),
    sum((point) => point.cost_usd),
  ];
  const at = (time: string) =>
    step === "day" ? time.slice(5, 10) : time.slice(step === "hour" ? 5 : 11, 16).replace("T", " ");
  const rows = points.map((point) => ({
    at: at(point.at),
    p50: point.work?.p50_seconds ?? null,
    p95: point.work?.p95_seconds ?? null,
    completed: point.completed,
    "dead letters": point.dead_lettered,
    "failed attempts": point.attempts_failed,
    cost: point.cost_usd,
  }));
  const common = { h: HEIGHT, data: rows, dataKey: "at", yAxisProps: { width: 60 } };
  return (
    <SimpleGrid cols={{ base: 1, md: 3 }}>
      <Chart title="From start to end" note={`${count(completed)} completed`}>
        <LineChart
          {...common}
          valueFormatter={(seconds) => duration(seconds * 1000)}
          series={[
            { name: "p50", color: "indigo.6" },
            { name: "p95", color: "orange.6" },
          ]}
          withLegend
        />
      </Chart>
      <Chart
        title="Success"
        note={`${percent(completed + dead === 0 ? null : completed / (completed + dead))} of what has ended`}
      >
        <BarChart
          {...common}
          type="stacked"
          series={[
            { name: "completed", color: "teal.6" },
            { name: "dead letters", color: "red.6" },
            { name: "failed attempts", color: "yellow.6" },
          ]}
          withLegend
        />
      </Chart>
      <Chart title="Cost" note={`${usd(cost)}, ${completed === 0 ? "–" : usd(cost / completed)} a task`}>
        <BarChart {...common} valueFormatter={usd} series={[{ name: "cost", color: "indigo.6" }]} />
      </Chart>
    </SimpleGrid>
  );
}

function Chart({ title, note, children }: { title: string; note: string; children: ReactNode }) {
  return (
    <div>
      <Title order={3} size="h6">
        {title}
      </Title>
      <Text size="xs" c="dimmed">
        {note}
      </Text>
      <Drawing height={HEIGHT} label={`${title}: ${note}`}>
        {children}
      </Drawing>
    </div>
  );
}

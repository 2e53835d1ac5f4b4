/** Experiments: a list, and of one the chance to win over time and the interval of each variant now. */
import { LineChart } from "@mantine/charts";
import { Anchor, Stack, Text, Title } from "@mantine/core";
import { useState } from "react";
import { useApi, useList } from "../../lib/data.ts";
import { count, exact, percent, usd } from "../../lib/format.ts";
import type { Experiment, ExperimentNow } from "../../lib/wire.ts";
import { DataTable } from "../../ui/DataTable.tsx";
import { Drawing } from "../../ui/Drawing.tsx";
import { Fetched } from "../../ui/Fetched.tsx";
import { Moment } from "../../ui/Moment.tsx";
import { Section } from "../../ui/Section.tsx";
import { StateBadge } from "../../ui/StateBadge.tsx";

const HEIGHT = 200;
const COLORS = ["indigo.6", "orange.6", "teal.6", "red.6", "gray.6"];

export function Experiments() {
  const [opened, setOpened] = useState<string | null>(null);
  const experiments = useList<Experiment>("/content/experiments", "experiments");
  return (
    <>
      <DataTable
        label="Experiments"
        rows={experiments.rows}
        keyOf={(experiment) => experiment.experiment_id}
        loading={experiments.isPending}
        error={experiments.error}
        empty="No experiment has been made yet."
        more={{
          has: experiments.hasNextPage,
          loading: experiments.isFetchingNextPage,
          load: () => void experiments.fetchNextPage(),
        }}
        columns={[
          {
            title: "Experiment",
            cell: ({ key }) => (
              <Anchor component="button" type="button" size="sm" onClick={() => setOpened(key)}>
                {key}
              </Anchor>
            ),
          },
          { title: "Hypothesis", cell: (experiment) => experiment.hypothesis },
          { title: "Status", cell: (experiment) => <StateBadge state={experiment.status} /> },
          { title: "Decision", cell: (experiment) => experiment.decision?.reason ?? "–" },
          { title: "Began", cell: (experiment) => <Moment at={experiment.started_at} /> },
        ]}
      />
      {opened !== null && <ExperimentCharts name={opened} />}
    </>
  );
}

function ExperimentCharts({ name }: { name: string }) {
  const experiment = useApi<ExperimentNow>(`/content/experiments/${encodeURIComponent(name)}`);
  return (
    <Section title={name}>
      <Fetched of={experiment}>{(answer) => <Charts experiment={answer} />}</Fetched>
    </Section>
  );
}

type Variant = ExperimentNow["now"]["variants"][number];

function Charts({ experiment }: { experiment: ExperimentNow }) {
  const { looks, now, metric } = experiment;
  const shown = (value: number | null) =>
    value === null ? "–" : metric === "conversion" ? percent(value) : usd(value);
  return (
    <Stack>
      {experiment.waiting_for && <Text size="sm">{experiment.waiting_for}</Text>}
      <Title order={3} size="h6">
        Chance to be the best, look by look
      </Title>
      {looks.length < 2 ? (
        <Text c="dimmed" size="sm">
          It was looked at {looks.length === 0 ? "not yet" : "once"}.
        </Text>
      ) : (
        <Drawing height={HEIGHT} label={chancesInWords(now.variants)}>
          <LineChart
            h={HEIGHT}
            data={looks.map(({ at, variants }) => ({
              at: exact(at).slice(5, 16),
              ...Object.fromEntries(variants.map(({ key, chance_best }) => [key, chance_best])),
            }))}
            dataKey="at"
            valueFormatter={(value) => percent(value)}
            yAxisProps={{ domain: [0, 1] }}
            series={now.variants.map(({ key }, i) => ({
              name: key,
              color: COLORS[i % COLORS.length] as string,
            }))}
            withLegend
          />
        </Drawing>
      )}
      <DataTable
        label="Variants"
        rows={now.variants}
        keyOf={(variant) => variant.key}
        empty="None."
        columns={[
          { title: "Variant", cell: (variant) => `${variant.key}${variant.control ? " (control)" : ""}` },
          { title: "Units", cell: (variant) => count(variant.units), align: "right" },
          { title: "Mean", cell: (variant) => shown(variant.mean), align: "right" },
          {
            title: "Interval",
            cell: (variant) => <Interval of={variant} all={now.variants} shown={shown} />,
          },
          { title: "Best", cell: (variant) => percent(variant.chance_best), align: "right" },
          {
            title: "Better than the control",
            cell: (variant) => percent(variant.chance_better),
            align: "right",
          },
        ]}
      />
    </Stack>
  );
}

function chancesInWords(variants: readonly Variant[]): string {
  return variants.map(({ key, chance_best }) => `${key}: ${percent(chance_best)}`).join("; ");
}

/** A bar from low to high on the scale that all variants share, with a mark at the mean. */
function Interval(props: { of: Variant; all: readonly Variant[]; shown: (value: number | null) => string }) {
  const { of, all, shown } = props;
  if (of.low === null || of.high === null || of.mean === null) return of.missing ?? "–";
  const ends = all.flatMap(({ low, high }) => (low === null || high === null ? [] : [low, high]));
  const [least, most] = [Math.min(...ends), Math.max(...ends)];
  const at = (value: number) => (most > least ? (100 * (value - least)) / (most - least) : 50);
  return (
    <div role="img" aria-label={`from ${shown(of.low)} to ${shown(of.high)}`} style={{ minWidth: 160 }}>
      <svg width="100%" height="14" viewBox="0 0 100 14" preserveAspectRatio="none" aria-hidden="true">
        <rect
          x={at(of.low)}
          y="4"
          width={Math.max(1, at(of.high) - at(of.low))}
          height="6"
          fill="var(--mantine-color-indigo-4)"
        />
        <rect x={at(of.mean) - 0.5} y="0" width="1" height="14" fill="var(--mantine-color-text)" />
      </svg>
      <Text size="xs" c="dimmed">
        {shown(of.low)} to {shown(of.high)}
      </Text>
    </div>
  );
}

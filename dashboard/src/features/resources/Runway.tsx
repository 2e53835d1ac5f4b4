/** The day's budget as a runway: settled, held, and the forecast against the ceiling. */
import { LineChart } from "@mantine/charts";
import { Text } from "@mantine/core";
import { useApi } from "../../lib/data.ts";
import { usd } from "../../lib/format.ts";
import type { History, Resources } from "../../lib/wire.ts";
import { Drawing } from "../../ui/Drawing.tsx";
import { Fetched } from "../../ui/Fetched.tsx";
import { Section } from "../../ui/Section.tsx";
import { runway } from "./runway.ts";

const HEIGHT = 220;

export function Runway({ budget }: { budget: Resources["budget"] }) {
  const { day, daily_usd: ceiling, forecast_usd: forecastUsd } = budget;
  const history = useApi<History>("/metrics/history", { step: "hour", from: `${day}T00:00:00Z` });
  const rises = forecastUsd > ceiling;
  return (
    <Section title="Runway">
      <Text size="sm" c={rises ? "red" : "dimmed"}>
        {rises
          ? `At the last hour's pace the day would cost ${usd(forecastUsd)}, more than its ceiling of ${usd(ceiling)}: work will be held back.`
          : `At the last hour's pace the day will have cost ${usd(forecastUsd)}, and leave ${usd(ceiling - forecastUsd)}.`}
      </Text>
      <Fetched of={history}>
        {({ points, to }) => (
          <Drawing
            height={HEIGHT}
            label={`Settled ${usd(budget.settled_usd)}, held ${usd(budget.held_usd)}, of ${usd(ceiling)}`}
          >
            <LineChart
              h={HEIGHT}
              data={runway({
                ...{ day, forecastUsd, settledUsd: budget.settled_usd, heldUsd: budget.held_usd },
                nowMs: Date.parse(to),
                costs: points.map(({ at, cost_usd: costUsd }) => ({ at, costUsd })),
              }).map((point) => ({ ...point }))}
              dataKey="at"
              valueFormatter={usd}
              yAxisProps={{ width: 70 }}
              series={[
                { name: "settled", color: "indigo.6" },
                { name: "held", label: "with what is held", color: "yellow.7" },
                { name: "forecast", color: "gray.6", strokeDasharray: "5 5" },
              ]}
              referenceLines={[{ y: ceiling, label: "ceiling", color: "red.6" }]}
              connectNulls
              withLegend
            />
          </Drawing>
        )}
      </Fetched>
    </Section>
  );
}

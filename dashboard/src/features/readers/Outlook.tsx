/** What is expected of readers, as the newest report has it: what was, the forecast with its bands, and where something was found. */
import { CompositeChart } from "@mantine/charts";
import { Text } from "@mantine/core";
import { useApi } from "../../lib/data.ts";
import { count } from "../../lib/format.ts";
import type { ExecutiveReport, Insight, Report, ReportForecast } from "../../lib/wire.ts";
import { Drawing } from "../../ui/Drawing.tsx";
import { Fetched } from "../../ui/Fetched.tsx";
import { Section } from "../../ui/Section.tsx";
import { marksOf, outlook } from "./outlook.ts";

export function Outlook({ insights }: { insights: readonly Insight[] }) {
  const newest = useApi<{ reports: Report[] }>("/content/reports", { limit: 1 });
  const id = newest.data?.reports[0]?.report_id;
  const report = useApi<ExecutiveReport>(id === undefined ? null : `/content/reports/${id}`);
  if (id === undefined) return null;
  return (
    <Fetched of={report}>
      {({ forecasts }) =>
        forecasts.map((forecast) => <Chart key={forecast.metric} forecast={forecast} insights={insights} />)
      }
    </Fetched>
  );
}

const HEIGHT = 220;

function Chart({ forecast, insights }: { forecast: ReportForecast; insights: readonly Insight[] }) {
  const points = outlook(forecast);
  return (
    <Section title={`What to expect of ${forecast.words}`}>
      <Drawing height={HEIGHT} label={forecast.told}>
        <CompositeChart
          h={HEIGHT}
          data={points.map((point) => ({ ...point }))}
          dataKey="day"
          valueFormatter={(value) => (Array.isArray(value) ? value.map(count).join(" to ") : count(value))}
          yAxisProps={{ width: 60 }}
          curveType="linear"
          withDots={false}
          withLegend
          series={[
            { name: "band95", label: "95 % of the days", color: "indigo.2", type: "area" },
            { name: "band80", label: "80 % of the days", color: "indigo.4", type: "area" },
            { name: "known", label: forecast.words, color: "indigo.8", type: "line" },
            { name: "expected", color: "gray.6", type: "line", strokeDasharray: "5 5" },
          ]}
          referenceLines={marksOf(forecast.metric, insights, points).map(({ day, kind }) => ({
            ...{ x: day, label: kind, color: kind === "anomaly" ? "red.6" : "orange.7" },
          }))}
        />
      </Drawing>
      <Text size="sm" c="dimmed">
        {forecast.told}
      </Text>
    </Section>
  );
}

/** What lanes that wait are entitled to, beside what they got of the last hour's work. */
import { BarChart } from "@mantine/charts";
import { Text } from "@mantine/core";
import { percent } from "../../lib/format.ts";
import type { Lane } from "../../lib/wire.ts";
import { Drawing } from "../../ui/Drawing.tsx";
import { Section } from "../../ui/Section.tsx";

/** More bars than these could not be told apart. */
const MOST = 20;

export function Shares({ lanes }: { lanes: readonly Lane[] }) {
  const compete = lanes.filter((lane) => lane.entitled_share !== null);
  if (compete.length < 2) return null;
  const shown = [...compete].sort((a, b) => (b.entitled_share ?? 0) - (a.entitled_share ?? 0)).slice(0, MOST);
  const height = Math.max(180, 46 * shown.length);
  return (
    <Section title="Entitled and received">
      <Text size="sm" c="dimmed">
        Of the lanes that wait now: the part that each one's weight gives it, and its part of the last hour's
        work among them.
        {compete.length > MOST && ` The ${MOST} with the greatest weight.`}
      </Text>
      <Drawing height={height} label={wordsOf(shown)}>
        <BarChart
          h={height}
          orientation="vertical"
          yAxisProps={{ width: 190 }}
          data={shown.map((lane) => ({
            lane: lane.lane,
            entitled: 100 * (lane.entitled_share ?? 0),
            received: 100 * (lane.received_share ?? 0),
          }))}
          dataKey="lane"
          valueFormatter={(value) => `${value.toFixed(1)} %`}
          series={[
            { name: "entitled", color: "gray.5" },
            { name: "received", color: "indigo.6" },
          ]}
          withLegend
        />
      </Drawing>
    </Section>
  );
}

function wordsOf(lanes: readonly Lane[]): string {
  return lanes
    .map(
      ({ lane, entitled_share: due, received_share: got }) =>
        `${lane}: entitled to ${percent(due)}, received ${percent(got)}`,
    )
    .join("; ");
}

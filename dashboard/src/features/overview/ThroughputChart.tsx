/** The last hour, minute by minute, as areas. */
import { AreaChart } from "@mantine/charts";
import type { History } from "@master-orchestrator/contract";

export function ThroughputChart({ points, height }: { points: History["points"]; height: number }) {
  return (
    <AreaChart
      h={height}
      data={points.map((point) => ({
        at: point.at.slice(11, 16),
        completed: point.completed,
        "dead letters": point.dead_lettered,
      }))}
      dataKey="at"
      series={[
        { name: "completed", color: "teal.6" },
        { name: "dead letters", color: "red.6" },
      ]}
      curveType="step"
      withLegend
    />
  );
}

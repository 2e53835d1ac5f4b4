/** What has ended in the last hour, minute by minute. */
import { AreaChart } from "@mantine/charts";
import { Card, Stack, Text, Title } from "@mantine/core";
import type { History } from "@master-orchestrator/contract";
import { useApi } from "../../lib/data.ts";
import { count, percent } from "../../lib/format.ts";
import { Fetched } from "../../ui/Fetched.tsx";

export function Throughput() {
  const history = useApi<History>("/metrics/history", { step: "minute" });
  return (
    <Card withBorder component="section" aria-label="The last hour">
      <Stack gap="xs">
        <Title order={2} size="h4">
          The last hour
        </Title>
        <Fetched of={history}>
          {({ points }) => {
            if (points.length === 0) return <Text c="dimmed">Nothing has ended in the last hour.</Text>;
            const completed = points.reduce((sum, point) => sum + point.completed, 0);
            const dead = points.reduce((sum, point) => sum + point.dead_lettered, 0);
            return (
              <>
                <Text size="sm" c="dimmed">
                  {count(completed)} completed, {count(dead)} dead letters:{" "}
                  {percent(completed / Math.max(1, completed + dead))} success
                </Text>
                <AreaChart
                  h={200}
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
              </>
            );
          }}
        </Fetched>
      </Stack>
    </Card>
  );
}

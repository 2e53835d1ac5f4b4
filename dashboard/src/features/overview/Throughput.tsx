/** What has ended in the last hour, minute by minute. */
import { Card, Stack, Text, Title } from "@mantine/core";
import type { History } from "@master-orchestrator/contract";
import { lazy } from "react";
import { useApi } from "../../lib/data.ts";
import { count, percent } from "../../lib/format.ts";
import { Drawing } from "../../ui/Drawing.tsx";
import { Fetched } from "../../ui/Fetched.tsx";

/** The library of charts is larger than all the rest: the first page does not wait for it. */
const ThroughputChart = lazy(async () => ({
  default: (await import("./ThroughputChart.tsx")).ThroughputChart,
}));
const HEIGHT = 200;

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
                <Drawing height={HEIGHT} label={`${count(completed)} completed in the last hour`}>
                  <ThroughputChart points={points} height={HEIGHT} />
                </Drawing>
              </>
            );
          }}
        </Fetched>
      </Stack>
    </Card>
  );
}

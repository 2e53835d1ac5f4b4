/** What the migration is for: the targets, against what was measured. */
import { Badge, SimpleGrid, Text } from "@mantine/core";
import type { MigrationReport } from "@master-orchestrator/contract";
import type { z } from "zod";
import { useApi } from "../../lib/data.ts";
import { Fetched } from "../../ui/Fetched.tsx";
import { Stat } from "../../ui/Stat.tsx";
import { TARGET_NAMES, targetText, wantedText } from "./texts.ts";

const DAYS = 7;

export function Targets() {
  const report = useApi<z.infer<typeof MigrationReport>>("/migrations/report", { days: DAYS });
  return (
    <Fetched of={report}>
      {({ targets }) => (
        <SimpleGrid cols={{ base: 1, sm: 3 }}>
          {targets.map((target) => (
            <Stat
              key={target.target}
              name={`${TARGET_NAMES[target.target]}, last ${DAYS} days`}
              value={targetText(target.target, target.measured)}
              note={wantedText(target)}
            >
              <Badge color={target.met === null ? "gray" : target.met ? "teal" : "red"} variant="light">
                {target.met === null ? "not measured" : target.met ? "met" : "not met"}
              </Badge>
              <Text size="xs" c="dimmed">
                {target.cause}
              </Text>
            </Stat>
          ))}
        </SimpleGrid>
      )}
    </Fetched>
  );
}

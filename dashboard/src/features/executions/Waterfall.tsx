/** The waterfall of an execution: waiting, delivery and work, one bar each, with their lengths in words. */
import { Box, Group, Stack, Text } from "@mantine/core";
import { duration } from "../../lib/format.ts";
import type { Execution } from "../../lib/wire.ts";
import { SPANS, type SpanKind, spansOf } from "./waterfall.ts";

const COLORS: Record<SpanKind, string> = {
  waiting: "gray",
  delivery: "yellow",
  work: "teal",
  "between attempts": "orange",
};

export function Waterfall({ execution }: { execution: Execution }) {
  const spans = spansOf(execution, Date.now());
  const first = spans[0];
  if (first === undefined) return <Text c="dimmed">It took no time at all.</Text>;
  const endMs = Math.max(...spans.map((span) => span.toMs));
  const whole = endMs - first.fromMs;
  const share = (ms: number) => `${(100 * ms) / whole}%`;
  return (
    <Stack gap={6}>
      <Group gap="md">
        {SPANS.map((kind) => {
          const sum = spans
            .filter((span) => span.kind === kind)
            .reduce((ms, span) => ms + span.toMs - span.fromMs, 0);
          return (
            <Group key={kind} gap={6}>
              <Box w={12} h={12} bg={COLORS[kind]} aria-hidden />
              <Text size="sm">
                {kind}: {duration(sum)}
              </Text>
            </Group>
          );
        })}
      </Group>
      {spans.map((span) => (
        <Group key={`${span.kind} ${span.of}`} gap="xs" wrap="nowrap">
          <Text size="xs" w={190} truncate>
            {span.kind}, {span.of}
          </Text>
          <Box
            flex={1}
            h={16}
            pos="relative"
            aria-label={`${span.kind}: ${duration(span.toMs - span.fromMs)}`}
          >
            <Box
              pos="absolute"
              h="100%"
              left={share(span.fromMs - first.fromMs)}
              w={share(span.toMs - span.fromMs)}
              miw={2}
              bg={COLORS[span.kind]}
            />
          </Box>
          <Text size="xs" w={70} ta="right">
            {duration(span.toMs - span.fromMs)}
          </Text>
        </Group>
      ))}
    </Stack>
  );
}

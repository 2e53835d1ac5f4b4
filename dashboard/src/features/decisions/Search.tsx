/** Looks through what was decided: by words, reason, lane and time, further back as somebody asks for more. */
import { Group, SegmentedControl, Select, Text, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";

import { useState } from "react";
import { useList } from "../../lib/data.ts";
import { duration, exact, words } from "../../lib/format.ts";
import type { CycleSummary } from "../../lib/wire.ts";
import { DataTable } from "../../ui/DataTable.tsx";
import { IdLink } from "../../ui/IdLink.tsx";
import { Moment } from "../../ui/Moment.tsx";
import { Section } from "../../ui/Section.tsx";
import { type Range, Span } from "../../ui/Span.tsx";
import { HOLD_REASONS } from "./reasons.ts";

export function Search() {
  const [trigger, setTrigger] = useState("");
  const [text, setText] = useState("");
  const [lane, setLane] = useState("");
  const [reason, setReason] = useState<string | null>(null);
  const [range, setRange] = useState<Range>({});
  const [asked] = useDebouncedValue({ text: text.trim(), ...placeOf(lane.trim()) }, 300);
  const cycles = useList<CycleSummary>("/cycles", "cycles", { trigger, reason, ...asked, ...range });
  const reached = cycles.data?.pages.at(-1)?.searched_back_to as string | null | undefined;
  return (
    <Section
      title="Cycles"
      actions={
        <SegmentedControl
          size="xs"
          aria-label="Kind"
          value={trigger}
          onChange={setTrigger}
          data={[
            { value: "", label: "all" },
            { value: "tick", label: "ticks" },
            { value: "wake", label: "wake-ups" },
          ]}
        />
      }
    >
      <Group align="flex-end">
        <TextInput
          label="Words"
          placeholder="in what was decided or held"
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
          maxLength={200}
        />
        <Select
          label="Held for"
          placeholder="any reason"
          clearable
          searchable
          value={reason}
          onChange={setReason}
          data={HOLD_REASONS.map((one) => ({ value: one, label: words(one) }))}
        />
        <TextInput
          label="Workflow or lane"
          placeholder="content_pipeline/news"
          value={lane}
          onChange={(event) => setLane(event.currentTarget.value)}
          maxLength={130}
        />
        <Span range={range} onChange={setRange} />
      </Group>
      <DataTable
        label="Cycles"
        rows={cycles.rows}
        keyOf={(cycle) => cycle.cycle_id}
        loading={cycles.isPending}
        error={cycles.error}
        empty={cycles.hasNextPage ? "None so far." : "None."}
        more={{
          has: cycles.hasNextPage,
          loading: cycles.isFetchingNextPage,
          load: () => void cycles.fetchNextPage(),
        }}
        columns={[
          {
            title: "Cycle",
            cell: (cycle) => <IdLink to="/decisions" id={cycle.cycle_id} />,
          },
          { title: "When", cell: (cycle) => <Moment at={cycle.started_at} /> },
          { title: "Kind", cell: (cycle) => cycle.trigger },
          {
            title: "Drift",
            cell: (cycle) => (cycle.drift_ms === null ? "–" : duration(cycle.drift_ms)),
            align: "right",
          },
          { title: "Took", cell: (cycle) => duration(cycle.duration_ms), align: "right" },
          { title: "Dispatched", cell: (cycle) => cycle.dispatched, align: "right" },
          { title: "Held lanes", cell: (cycle) => cycle.held, align: "right" },
        ]}
      />
      {reached && (
        <Text size="xs" c="dimmed">
          Looked back to {exact(reached)}.
        </Text>
      )}
    </Section>
  );
}

function placeOf(text: string): { lane?: string; workflow_type?: string } {
  if (text === "") return {};
  return text.includes("/") ? { lane: text } : { workflow_type: text };
}

/** What a day cost and who spent it: today, yesterday, or any day of the ledger. */
import { Button, Group, SegmentedControl, Text, TextInput } from "@mantine/core";
import { useState } from "react";
import { useSearchParams } from "react-router";
import { useApi } from "../../lib/data.ts";
import { count, dayBefore, usd, words } from "../../lib/format.ts";
import type { LedgerSummary } from "../../lib/wire.ts";
import { DataTable } from "../../ui/DataTable.tsx";
import { Fetched } from "../../ui/Fetched.tsx";
import { Section } from "../../ui/Section.tsx";

const BY = ["workflow", "model", "content_type", "provider", "actor"] as const;

/** `today`: the server's UTC day, once it is known. */
export function Spending({ today }: { today: string | undefined }) {
  const [by, setBy] = useState<string>("workflow");
  const [search, setSearch] = useSearchParams();
  const day = search.get("day") ?? today ?? "";
  const choose = (chosen: string) => setSearch(chosen === today ? {} : { day: chosen }, { replace: true });
  const summary = useApi<LedgerSummary>(day === "" ? null : "/budget/summary", { by, day });
  return (
    <Section
      title="Who spent it"
      actions={
        <Group gap="xs">
          <Button
            size="xs"
            variant="default"
            disabled={today === undefined}
            onClick={() => today !== undefined && choose(dayBefore(today))}
          >
            Yesterday
          </Button>
          <TextInput
            type="date"
            size="xs"
            aria-label="Day (UTC)"
            value={day}
            max={today}
            onChange={(event) => event.currentTarget.value !== "" && choose(event.currentTarget.value)}
          />
          <SegmentedControl
            size="xs"
            value={by}
            onChange={setBy}
            aria-label="By"
            data={BY.map((one) => ({ value: one, label: words(one) }))}
          />
        </Group>
      }
    >
      <Fetched of={summary}>{(answer) => <Groups by={by} summary={answer} />}</Fetched>
    </Section>
  );
}

function Groups({ by, summary }: { by: string; summary: LedgerSummary }) {
  return (
    <>
      <Text fw={600}>
        {summary.day} cost {usd(summary.settled_usd)}
        {summary.held_usd > 0 && `, and ${usd(summary.held_usd)} are held`}
        {summary.assumed_usd > 0 && `; ${usd(summary.assumed_usd)} of it assumed at the worst case`}.
      </Text>
      <DataTable
        label="Spending"
        rows={summary.groups}
        keyOf={(group) => group.name ?? ""}
        empty="Nothing was spent on this day."
        columns={[
          { title: words(by), cell: (group) => group.name ?? "–" },
          { title: "Calls", cell: (group) => count(group.calls), align: "right" },
          { title: "Settled", cell: (group) => usd(group.settled_usd), align: "right" },
          { title: "Held", cell: (group) => usd(group.held_usd), align: "right" },
          { title: "Assumed", cell: (group) => usd(group.assumed_usd), align: "right" },
          { title: "Tokens in", cell: (group) => count(group.input_tokens), align: "right" },
          { title: "Tokens out", cell: (group) => count(group.output_tokens), align: "right" },
        ]}
      />
    </>
  );
}

/** Who did what: every change that a person or a key asked for, with what was there before and what came of it. */
import { Code, Group, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import type { AuditLogEntry } from "@master-orchestrator/contract";
import { useState } from "react";
import { useList } from "../../lib/data.ts";
import { useMay } from "../../lib/session.tsx";
import { DataTable } from "../../ui/DataTable.tsx";
import { Moment } from "../../ui/Moment.tsx";
import { Page } from "../../ui/Page.tsx";
import { type Range, Span } from "../../ui/Span.tsx";
import { StateBadge } from "../../ui/StateBadge.tsx";

const ANSWERS: Readonly<Record<number, string>> = { 403: "not allowed", 409: "conflict" };

export function AuditPage() {
  const may = useMay("operator");
  return (
    <Page
      title="Audit"
      about="Who did what, and when: changes that people and keys asked for, as they were answered. What the orchestrator itself decides stands under Decisions."
    >
      {may ? <Entries /> : "Reading it needs the role operator."}
    </Page>
  );
}

function Entries() {
  const [text, setText] = useState("");
  const [asked] = useDebouncedValue(text.trim(), 300);
  const [range, setRange] = useState<Range>({});
  const entries = useList<AuditLogEntry>("/audit", "entries", { text: asked, ...range });
  return (
    <>
      <Group align="flex-end">
        <TextInput
          label="Who, what, to what"
          placeholder="any"
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
          maxLength={200}
        />
        <Span range={range} onChange={setRange} />
      </Group>
      <DataTable
        label="Audit"
        rows={entries.rows}
        keyOf={(entry) => entry.audit_id}
        loading={entries.isPending}
        error={entries.error}
        empty="Nobody has done anything that matches."
        more={{
          has: entries.hasNextPage,
          loading: entries.isFetchingNextPage,
          load: () => void entries.fetchNextPage(),
        }}
        columns={[
          { title: "When", cell: (entry) => <Moment at={entry.at} /> },
          { title: "Who", cell: (entry) => entry.actor },
          { title: "What", cell: (entry) => <Code>{entry.action.replace("/api/v1", "")}</Code> },
          { title: "To what", cell: (entry) => entry.target ?? "–" },
          { title: "Before", cell: (entry) => <Brief value={entry.before} /> },
          { title: "After", cell: (entry) => <Brief value={entry.after ?? entry.request} /> },
          {
            title: "Answer",
            cell: ({ status }) =>
              status < 300 ? "done" : <StateBadge state={ANSWERS[status] ?? String(status)} />,
          },
        ]}
      />
    </>
  );
}

function Brief({ value }: { value: unknown }) {
  if (value === null || value === undefined) return "–";
  return <Code style={{ overflowWrap: "anywhere" }}>{JSON.stringify(value)}</Code>;
}

/** Every decision of every cycle: what was seen, what was decided, what was held and why; and open recoveries. */
import { Code, SimpleGrid, Text } from "@mantine/core";
import { Route, Routes, useParams } from "react-router";
import { useAction, useApi, useList } from "../../lib/data.ts";
import { duration } from "../../lib/format.ts";
import type { Cycle, Recovery } from "../../lib/wire.ts";
import { ActionButton } from "../../ui/ActionButton.tsx";
import { DataTable } from "../../ui/DataTable.tsx";
import { Fetched } from "../../ui/Fetched.tsx";
import { Json } from "../../ui/Json.tsx";
import { Moment } from "../../ui/Moment.tsx";
import { Page } from "../../ui/Page.tsx";
import { Section } from "../../ui/Section.tsx";
import { Stat } from "../../ui/Stat.tsx";
import { StateBadge } from "../../ui/StateBadge.tsx";
import { Search } from "./Search.tsx";
import { TimeTravel } from "./TimeTravel.tsx";

export function DecisionsPage() {
  return (
    <Routes>
      <Route index element={<Cycles />} />
      <Route path=":cycleId" element={<CyclePage />} />
    </Routes>
  );
}

function Cycles() {
  return (
    <Page
      title="Decisions"
      about="A cycle looks at everything, decides, and writes it down. Ticks come with the clock, wake-ups whenever something happens."
    >
      <Recoveries />
      <Search />
      <TimeTravel />
    </Page>
  );
}

function Recoveries() {
  const open = useList<Recovery>("/recoveries", "recoveries", { open: "true" });
  const close = useAction<string>(
    (id) => ({ method: "POST", path: `/recoveries/${id}/close` }),
    "It is closed.",
  );
  if (open.rows.length === 0) return null;
  return (
    <Section title="Open recoveries">
      <DataTable
        label="Open recoveries"
        rows={open.rows}
        keyOf={(recovery) => recovery.recovery_id}
        empty=""
        columns={[
          { title: "Procedure", cell: (recovery) => recovery.procedure },
          { title: "Of", cell: (recovery) => recovery.subject },
          { title: "State", cell: (recovery) => <StateBadge state={recovery.state} /> },
          { title: "Why", cell: (recovery) => recovery.cause },
          { title: "Ends", cell: (recovery) => recovery.exit_rule },
          {
            title: "",
            cell: (recovery) => (
              <ActionButton
                variant="subtle"
                ask="Its cause may begin it again."
                onAct={() => close.mutate(recovery.recovery_id)}
              >
                Close
              </ActionButton>
            ),
          },
        ]}
      />
    </Section>
  );
}

function CyclePage() {
  const { cycleId = "" } = useParams();
  const cycle = useApi<Cycle>(`/cycles/${encodeURIComponent(cycleId)}`);
  return (
    <Page title={`Cycle ${cycleId.slice(-12)}`}>
      <Fetched of={cycle}>
        {(answer) => (
          <>
            <SimpleGrid cols={{ base: 2, md: 4 }}>
              <Stat name="Kind" value={answer.trigger} note={<Moment at={answer.started_at} />} />
              <Stat
                name="Took"
                value={duration(answer.duration_ms)}
                note={`policy version ${answer.policy_version}`}
              />
              <Stat name="Dispatched" value={answer.dispatched} />
              <Stat name="Held lanes" value={answer.held} />
            </SimpleGrid>
            <Section title="Held, and why">
              <DataTable
                label="Held"
                rows={answer.reasons}
                keyOf={(reason) => reason.lane}
                empty="Nothing was held."
                columns={[
                  { title: "Lane", cell: (reason) => reason.lane },
                  { title: "Reason", cell: (reason) => <StateBadge state={reason.reason} /> },
                  { title: "Cause", cell: (reason) => reason.cause },
                  { title: "Tasks", cell: (reason) => reason.tasks, align: "right" },
                ]}
              />
            </Section>
            <Section title="Decided">
              {answer.decisions.map((decision, i) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: decisions have no name, and never change
                <Code key={i} block style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}>
                  {JSON.stringify(decision)}
                </Code>
              ))}
              {answer.decisions.length === 0 && <Text c="dimmed">Nothing.</Text>}
            </Section>
            <Section title="Seen">
              <Json value={answer.snapshot} />
            </Section>
          </>
        )}
      </Fetched>
    </Page>
  );
}

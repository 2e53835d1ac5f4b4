/** Alerts: what fires now and did, who is told and whether that works, what is silenced, and the rules. */
import { Anchor, Group, SegmentedControl, Tabs, Text } from "@mantine/core";
import type { Alert, AlertRuleList } from "@master-orchestrator/contract";
import { useState } from "react";
import { Link, Route, Routes, useNavigate, useParams } from "react-router";
import { useApi, useList } from "../../lib/data.ts";
import { words } from "../../lib/format.ts";
import { DataTable } from "../../ui/DataTable.tsx";
import { Fetched } from "../../ui/Fetched.tsx";
import { Moment } from "../../ui/Moment.tsx";
import { Page } from "../../ui/Page.tsx";
import { AlertPage } from "./AlertPage.tsx";
import { Channels } from "./Channels.tsx";
import { Digests } from "./Digests.tsx";
import { AlertStates, SeverityBadge } from "./Marks.tsx";
import { Silences } from "./Silences.tsx";

const TABS = ["now", "history", "silences", "channels", "rules", "summaries"] as const;

export function AlertsPage() {
  return (
    <Routes>
      <Route index element={<Overview />} />
      <Route path=":tab" element={<TabOrAlert />} />
    </Routes>
  );
}

function TabOrAlert() {
  const { tab = "" } = useParams();
  return (TABS as readonly string[]).includes(tab) ? <Overview tab={tab} /> : <AlertPage id={tab} />;
}

function Overview({ tab = "now" }: { tab?: string }) {
  const navigate = useNavigate();
  return (
    <Page title="Alerts" about="What needs a person: judged about once a minute by the rules of the policy.">
      <Tabs
        value={tab}
        onChange={(next) => void navigate(next === "now" || next === null ? "/alerts" : `/alerts/${next}`)}
        keepMounted={false}
      >
        <Tabs.List>
          {TABS.map((name) => (
            <Tabs.Tab key={name} value={name} tt="capitalize">
              {name}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value="now" pt="md">
          <Alerts state="open" empty="Nothing fires." />
        </Tabs.Panel>
        <Tabs.Panel value="history" pt="md">
          <Alerts state="resolved" empty="Nothing has fired yet." />
        </Tabs.Panel>
        <Tabs.Panel value="silences" pt="md">
          <Silences />
        </Tabs.Panel>
        <Tabs.Panel value="channels" pt="md">
          <Channels />
        </Tabs.Panel>
        <Tabs.Panel value="rules" pt="md">
          <Rules />
        </Tabs.Panel>
        <Tabs.Panel value="summaries" pt="md">
          <Digests />
        </Tabs.Panel>
      </Tabs>
    </Page>
  );
}

function Alerts({ state, empty }: { state: "open" | "resolved"; empty: string }) {
  const [severity, setSeverity] = useState("all");
  const alerts = useList<Alert>("/alerts", "alerts", {
    state,
    severity: severity === "all" ? undefined : severity,
  });
  return (
    <>
      <Group mb="sm">
        <SegmentedControl
          size="xs"
          aria-label="Severity"
          value={severity}
          onChange={setSeverity}
          data={["all", "critical", "warning", "info"]}
        />
      </Group>
      <DataTable
        label="Alerts"
        rows={alerts.rows}
        keyOf={(alert) => alert.alert_id}
        loading={alerts.isPending}
        error={alerts.error}
        empty={empty}
        more={{
          has: alerts.hasNextPage,
          loading: alerts.isFetchingNextPage,
          load: () => void alerts.fetchNextPage(),
        }}
        columns={[
          { title: "Severity", cell: ({ severity: of }) => <SeverityBadge severity={of} /> },
          {
            title: "What",
            cell: (alert) => (
              <>
                <Anchor component={Link} to={`/alerts/${alert.alert_id}`} fw={600} size="sm">
                  {words(alert.rule)}
                </Anchor>
                <Text size="sm">{alert.words}</Text>
                {alert.summary && (
                  <Text size="xs" c="dimmed">
                    {alert.summary}
                  </Text>
                )}
              </>
            ),
          },
          { title: "State", cell: (alert) => <AlertStates alert={alert} /> },
          { title: "Since", cell: (alert) => <Moment at={alert.fired_at ?? alert.started_at} /> },
          ...(state === "resolved"
            ? [{ title: "Over", cell: (alert: Alert) => <Moment at={alert.resolved_at} /> }]
            : [{ title: "Looked after by", cell: (alert: Alert) => alert.acknowledged_by ?? "–" }]),
        ]}
      />
    </>
  );
}

function Rules() {
  const rules = useApi<AlertRuleList>("/alerts/rules");
  return (
    <Fetched of={rules}>
      {(answer) => (
        <>
          <Text size="sm" c="dimmed" mb="sm">
            Last judged <Moment at={answer.evaluated_at} />. Rules are changed in the{" "}
            <Anchor component={Link} to="/policy">
              policy
            </Anchor>
            , under alerts.
          </Text>
          <DataTable
            label="Rules"
            rows={answer.rules}
            keyOf={(rule) => rule.rule}
            empty="There are no rules."
            columns={[
              { title: "Rule", cell: (rule) => words(rule.rule) },
              { title: "Kind", cell: (rule) => words(rule.definition.kind) },
              { title: "Severity", cell: (rule) => <SeverityBadge severity={rule.definition.severity} /> },
              { title: "State", cell: (rule) => rule.state },
              { title: "Saw", cell: (rule) => rule.words ?? "–" },
            ]}
          />
        </>
      )}
    </Fetched>
  );
}

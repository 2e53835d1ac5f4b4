/** Readers and revenue: what was found in the numbers, reports, experiments and opportunities. */
import { Anchor, Group, Tabs, Text } from "@mantine/core";
import { useAction, useList } from "../../lib/data.ts";
import { percent, usd, words } from "../../lib/format.ts";
import type { Insight, Opportunity, Report } from "../../lib/wire.ts";
import { ActionButton } from "../../ui/ActionButton.tsx";
import { DataTable } from "../../ui/DataTable.tsx";
import { Moment } from "../../ui/Moment.tsx";
import { Page } from "../../ui/Page.tsx";
import { StateBadge } from "../../ui/StateBadge.tsx";
import { Experiments } from "./Experiments.tsx";
import { Outlook } from "./Outlook.tsx";

export function ReadersPage() {
  return (
    <Page
      title="Readers"
      about="What readers did and what it earned, as the intelligence engine and the revenue optimizer see it."
    >
      <Tabs defaultValue="insights" keepMounted={false}>
        <Tabs.List>
          <Tabs.Tab value="insights">Insights</Tabs.Tab>
          <Tabs.Tab value="reports">Reports</Tabs.Tab>
          <Tabs.Tab value="experiments">Experiments</Tabs.Tab>
          <Tabs.Tab value="opportunities">Opportunities</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="insights" pt="md">
          <Insights />
        </Tabs.Panel>
        <Tabs.Panel value="reports" pt="md">
          <Reports />
        </Tabs.Panel>
        <Tabs.Panel value="experiments" pt="md">
          <Experiments />
        </Tabs.Panel>
        <Tabs.Panel value="opportunities" pt="md">
          <Opportunities />
        </Tabs.Panel>
      </Tabs>
    </Page>
  );
}

function Insights() {
  const insights = useList<Insight>("/content/insights", "insights");
  return (
    <>
      <Outlook insights={insights.rows} />
      <DataTable
        label="Insights"
        rows={insights.rows}
        keyOf={(insight) => insight.insight_id}
        loading={insights.isPending}
        error={insights.error}
        empty="Nothing has been found yet: import what readers did (orchestrator import)."
        more={{
          has: insights.hasNextPage,
          loading: insights.isFetchingNextPage,
          load: () => void insights.fetchNextPage(),
        }}
        columns={[
          { title: "Kind", cell: (insight) => <StateBadge state={insight.kind} /> },
          {
            title: "What",
            cell: (insight) => (
              <>
                <Text size="sm" fw={600}>
                  {insight.headline}
                </Text>
                <Text size="xs" c="dimmed">
                  {insight.words}
                </Text>
              </>
            ),
          },
          { title: "Of", cell: (insight) => `${words(insight.metric)}, ${insight.subject}` },
          { title: "Importance", cell: (insight) => percent(insight.importance), align: "right" },
          { title: "Found", cell: (insight) => <Moment at={insight.found_at} /> },
        ]}
      />
    </>
  );
}

function Reports() {
  const reports = useList<Report>("/content/reports", "reports");
  return (
    <DataTable
      label="Reports"
      rows={reports.rows}
      keyOf={(report) => report.report_id}
      loading={reports.isPending}
      error={reports.error}
      empty="There is no report yet: orchestrator reports run --kind week."
      more={{
        has: reports.hasNextPage,
        loading: reports.isFetchingNextPage,
        load: () => void reports.fetchNextPage(),
      }}
      columns={[
        { title: "Period", cell: (report) => `${report.kind} from ${report.from}` },
        {
          title: "Headline",
          cell: ({ report_id: id, headline }) => (
            <Anchor href={`/api/v1/content/reports/${id}?format=html`} target="_blank" rel="noreferrer">
              {headline}
            </Anchor>
          ),
        },
        { title: "Written", cell: (report) => <Moment at={report.created_at} /> },
      ]}
    />
  );
}

function Opportunities() {
  const opportunities = useList<Opportunity>("/content/opportunities", "opportunities");
  const settle = useAction<{ id: string; as: "accept" | "dismiss" }>(
    ({ id, as }) => ({ method: "POST", path: `/content/opportunities/${id}/${as}` }),
    "It is settled.",
  );
  return (
    <DataTable
      label="Opportunities"
      rows={opportunities.rows}
      keyOf={(one) => one.opportunity_id}
      loading={opportunities.isPending}
      error={opportunities.error}
      empty="None is known."
      more={{
        has: opportunities.hasNextPage,
        loading: opportunities.isFetchingNextPage,
        load: () => void opportunities.fetchNextPage(),
      }}
      columns={[
        { title: "What", cell: (one) => one.title },
        {
          title: "In 30 days",
          cell: (one) => `${usd(one.expected_usd)} (${usd(one.low_usd)} to ${usd(one.high_usd)})`,
          align: "right",
        },
        { title: "Chance", cell: (one) => percent(one.chance), align: "right" },
        { title: "Seen", cell: (one) => <Moment at={one.seen_at} /> },
        {
          title: "",
          cell: ({ opportunity_id: id }) => (
            <Group gap="xs" wrap="nowrap">
              <ActionButton variant="light" onAct={() => settle.mutate({ id, as: "accept" })}>
                Accept
              </ActionButton>
              <ActionButton variant="subtle" color="gray" onAct={() => settle.mutate({ id, as: "dismiss" })}>
                Dismiss
              </ActionButton>
            </Group>
          ),
        },
      ]}
    />
  );
}

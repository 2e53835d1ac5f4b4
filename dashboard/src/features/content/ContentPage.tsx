/** Content: what waits for a person, topics that wait for their slot, audits of pages and what would raise their scores. */
import { Anchor, Button, Tabs } from "@mantine/core";
import { useList } from "../../lib/data.ts";
import type { AuditSummary, Topic } from "../../lib/wire.ts";
import { DataTable } from "../../ui/DataTable.tsx";
import { Moment } from "../../ui/Moment.tsx";
import { Page } from "../../ui/Page.tsx";
import { StateBadge } from "../../ui/StateBadge.tsx";
import { Names } from "./Names.tsx";
import { Recommendations } from "./Recommendations.tsx";
import { Reviews } from "./Reviews.tsx";

export function ContentPage() {
  return (
    <Page
      title="Content"
      about="Articles below the bar, names in doubt and changes to pages wait here for a person."
      actions={
        <Button component="a" href="/articles" variant="default" size="xs">
          Read the articles
        </Button>
      }
    >
      <Tabs defaultValue="reviews" keepMounted={false}>
        <Tabs.List>
          <Tabs.Tab value="reviews">Reviews</Tabs.Tab>
          <Tabs.Tab value="names">Names in doubt</Tabs.Tab>
          <Tabs.Tab value="recommendations">Recommendations</Tabs.Tab>
          <Tabs.Tab value="audits">Audits</Tabs.Tab>
          <Tabs.Tab value="topics">Topics</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="reviews" pt="md">
          <Reviews />
        </Tabs.Panel>
        <Tabs.Panel value="names" pt="md">
          <Names />
        </Tabs.Panel>
        <Tabs.Panel value="recommendations" pt="md">
          <Recommendations />
        </Tabs.Panel>
        <Tabs.Panel value="audits" pt="md">
          <Audits />
        </Tabs.Panel>
        <Tabs.Panel value="topics" pt="md">
          <Topics />
        </Tabs.Panel>
      </Tabs>
    </Page>
  );
}

function Audits() {
  const audits = useList<AuditSummary>("/content/audits", "audits");
  return (
    <DataTable
      label="Audits"
      rows={audits.rows}
      keyOf={(audit) => audit.audit_id}
      loading={audits.isPending}
      error={audits.error}
      empty="No page has been audited yet."
      more={{
        has: audits.hasNextPage,
        loading: audits.isFetchingNextPage,
        load: () => void audits.fetchNextPage(),
      }}
      columns={[
        { title: "Page", cell: (audit) => <Anchor href={audit.url}>{audit.title ?? audit.url}</Anchor> },
        { title: "Score", cell: (audit) => audit.score, align: "right" },
        { title: "Before", cell: (audit) => audit.previous_score ?? "–", align: "right" },
        { title: "Findings", cell: (audit) => audit.findings, align: "right" },
        { title: "Recommendations", cell: (audit) => audit.recommendations, align: "right" },
        { title: "Audited", cell: (audit) => <Moment at={audit.audited_at} /> },
      ]}
    />
  );
}

function Topics() {
  const topics = useList<Topic>("/topics", "topics");
  return (
    <DataTable
      label="Topics"
      rows={topics.rows}
      keyOf={(topic) => topic.topic_id}
      loading={topics.isPending}
      error={topics.error}
      empty="No topics: add some with orchestrator topics add FILE."
      more={{
        has: topics.hasNextPage,
        loading: topics.isFetchingNextPage,
        load: () => void topics.fetchNextPage(),
      }}
      columns={[
        { title: "Title", cell: (topic) => String(topic.payload.title ?? "–") },
        { title: "Type", cell: (topic) => topic.content_type },
        { title: "Priority", cell: (topic) => topic.priority, align: "right" },
        { title: "Status", cell: (topic) => <StateBadge state={topic.status} /> },
        { title: "Added", cell: (topic) => <Moment at={topic.added_at} /> },
      ]}
    />
  );
}

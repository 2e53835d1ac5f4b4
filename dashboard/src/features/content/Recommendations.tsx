/** What would raise the scores of pages, the greatest gain first; those that can be applied change the article on approval. */
import { Code, Group, Text } from "@mantine/core";
import { useAction, useList } from "../../lib/data.ts";
import type { Recommendation } from "../../lib/wire.ts";
import { ActionButton } from "../../ui/ActionButton.tsx";
import { DataTable } from "../../ui/DataTable.tsx";

export function Recommendations() {
  const open = useList<Recommendation>("/content/recommendations", "recommendations");
  return (
    <DataTable
      label="Recommendations"
      rows={open.rows}
      keyOf={(one) => one.recommendation_id}
      loading={open.isPending}
      error={open.error}
      empty="Nothing is recommended."
      more={{
        has: open.hasNextPage,
        loading: open.isFetchingNextPage,
        load: () => void open.fetchNextPage(),
      }}
      columns={[
        { title: "Page", cell: (one) => one.slug ?? one.url },
        {
          title: "What",
          cell: (one) => (
            <>
              <Text size="sm" fw={600}>
                {one.title}
              </Text>
              <Text size="xs" c="dimmed">
                {one.detail}
              </Text>
              <Code>{one.rule}</Code>
            </>
          ),
        },
        { title: "Gain", cell: (one) => one.gain.toFixed(1), align: "right" },
        { title: "By", cell: (one) => one.basis },
        { title: "", cell: (one) => <Decide recommendation={one} /> },
      ]}
    />
  );
}

function Decide({
  recommendation: { recommendation_id: id, applicable },
}: {
  recommendation: Recommendation;
}) {
  const decide = useAction<"approve" | "reject">(
    (decision) => ({ method: "POST", path: `/content/recommendations/${id}/${decision}` }),
    "It is decided.",
  );
  return (
    <Group gap="xs" wrap="nowrap">
      {applicable && (
        <ActionButton
          color="teal"
          variant="light"
          ask="The article is changed; that can be taken back."
          onAct={() => decide.mutate("approve")}
        >
          Apply
        </ActionButton>
      )}
      <ActionButton variant="subtle" color="gray" onAct={() => decide.mutate("reject")}>
        Reject
      </ActionButton>
    </Group>
  );
}

/** Names of which neither rule nor model can tell what they mean: a person says which entity, or that it is a new one. */
import { Group, Text } from "@mantine/core";
import { useAction, useList } from "../../lib/data.ts";
import { percent } from "../../lib/format.ts";
import type { EntityReview } from "../../lib/wire.ts";
import { ActionButton } from "../../ui/ActionButton.tsx";
import { DataTable } from "../../ui/DataTable.tsx";
import { Moment } from "../../ui/Moment.tsx";

export function Names() {
  const names = useList<EntityReview>("/content/entity-reviews", "entity_reviews", { status: "pending" });
  return (
    <DataTable
      label="Names in doubt"
      rows={names.rows}
      keyOf={(review) => review.review_id}
      loading={names.isPending}
      error={names.error}
      empty="Every name is decided."
      more={{
        has: names.hasNextPage,
        loading: names.isFetchingNextPage,
        load: () => void names.fetchNextPage(),
      }}
      columns={[
        { title: "Name", cell: (review) => review.name },
        { title: "Why", cell: (review) => review.why },
        { title: "Articles", cell: (review) => review.articles, align: "right" },
        { title: "Met", cell: (review) => <Moment at={review.created_at} /> },
        { title: "Means", cell: (review) => <Choices review={review} /> },
      ]}
    />
  );
}

function Choices({ review }: { review: EntityReview }) {
  const path = `/content/entity-reviews/${review.review_id}`;
  const merge = useAction<string>(
    (entityId) => ({ method: "POST", path: `${path}/merge`, body: { entity_id: entityId } }),
    "They are one.",
  );
  const separate = useAction(() => ({ method: "POST", path: `${path}/separate` }), "It is one of its own.");
  return (
    <Group gap={6}>
      {review.candidates.map(({ entity_id: id, name, similarity }) => (
        <ActionButton key={id} size="compact-xs" variant="default" onAct={() => merge.mutate(id)}>
          {name} ({percent(similarity)})
        </ActionButton>
      ))}
      <ActionButton size="compact-xs" variant="light" onAct={() => separate.mutate(undefined)}>
        none of these
      </ActionButton>
      {review.candidates.length === 0 && <Text size="sm">–</Text>}
    </Group>
  );
}

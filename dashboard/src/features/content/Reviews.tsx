/** Articles that are not published until a person approves them: read, then approve or reject with a note. */
import { Anchor, Group, List, Modal, Text, Textarea, Typography } from "@mantine/core";
import { useState } from "react";
import { useAction, useApi, useList } from "../../lib/data.ts";
import type { Review, ReviewSummary } from "../../lib/wire.ts";
import { ActionButton } from "../../ui/ActionButton.tsx";
import { DataTable } from "../../ui/DataTable.tsx";
import { Fetched } from "../../ui/Fetched.tsx";
import { Moment } from "../../ui/Moment.tsx";
import { StateBadge } from "../../ui/StateBadge.tsx";

export function Reviews() {
  const [open, setOpen] = useState<string | null>(null);
  const reviews = useList<ReviewSummary>("/content/reviews", "reviews");
  return (
    <>
      <DataTable
        label="Reviews"
        rows={reviews.rows}
        keyOf={(review) => review.review_id}
        loading={reviews.isPending}
        error={reviews.error}
        empty="No article waits for a person."
        more={{
          has: reviews.hasNextPage,
          loading: reviews.isFetchingNextPage,
          load: () => void reviews.fetchNextPage(),
        }}
        columns={[
          {
            title: "Article",
            cell: (review) => (
              <Anchor component="button" type="button" onClick={() => setOpen(review.review_id)}>
                {review.title}
              </Anchor>
            ),
          },
          { title: "Status", cell: (review) => <StateBadge state={review.status} /> },
          { title: "Score", cell: (review) => review.score, align: "right" },
          { title: "Why", cell: (review) => review.reasons.join("; ") },
          { title: "Written", cell: (review) => <Moment at={review.created_at} /> },
          { title: "Decided by", cell: (review) => review.decided_by ?? "–" },
        ]}
      />
      {open !== null && <Reading id={open} onClose={() => setOpen(null)} />}
    </>
  );
}

function Reading({ id, onClose }: { id: string; onClose: () => void }) {
  const review = useApi<Review>(`/content/reviews/${id}`);
  const [note, setNote] = useState("");
  const decide = useAction<"approve" | "reject">(
    (decision) => ({
      method: "POST",
      path: `/content/reviews/${id}/${decision}`,
      body: note.trim() === "" ? {} : { note: note.trim() },
    }),
    "It is decided.",
  );
  const act = (decision: "approve" | "reject") => decide.mutate(decision, { onSuccess: onClose });
  return (
    <Modal opened onClose={onClose} size="xl" title={review.data?.title ?? "Article"}>
      <Fetched of={review}>
        {({ article, reasons, status }) => (
          <>
            <List size="sm" mb="sm">
              {reasons.map((reason) => (
                <List.Item key={reason}>{reason}</List.Item>
              ))}
            </List>
            <Text size="sm" c="dimmed" mb="sm">
              {article.words} words, {article.generator}, {article.language}
            </Text>
            <Typography>
              {/* biome-ignore lint/security/noDangerouslySetInnerHtml: sanitised before it was stored, and no script may run here */}
              <div dangerouslySetInnerHTML={{ __html: article.html }} />
            </Typography>
            {status === "pending" && (
              <>
                <Textarea
                  label="Note"
                  value={note}
                  onChange={(event) => setNote(event.currentTarget.value)}
                  maxLength={2000}
                  mt="md"
                />
                <Group mt="sm">
                  <ActionButton
                    color="teal"
                    ask="It is published as it is."
                    onAct={() => act("approve")}
                    loading={decide.isPending}
                  >
                    Approve
                  </ActionButton>
                  <ActionButton
                    color="red"
                    variant="light"
                    ask="It is not published."
                    onAct={() => act("reject")}
                    loading={decide.isPending}
                  >
                    Reject
                  </ActionButton>
                </Group>
              </>
            )}
          </>
        )}
      </Fetched>
    </Modal>
  );
}

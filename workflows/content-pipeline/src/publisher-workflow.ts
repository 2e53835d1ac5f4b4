/** Owns the workflow that publishes what a person has approved: the same publishers, the same care. Writes and judges nothing. */
import { defineWorkflow, TaskRefused, type Workflow, type WorkflowOptions } from "@master-orchestrator/sdk";
import { z } from "zod";
import { readParams } from "./params.ts";
import { followed, resultOf } from "./pipeline.ts";
import { type PublishingParts, publishEverywhere } from "./publishing/publish.ts";

export const CONTENT_PUBLISHER = "content_publisher";

export interface ContentPublisherParts extends PublishingParts {
  sdk?: WorkflowOptions;
}

/** The built-in sub-workflow behind `POST /api/v1/content/reviews/{id}/approve`. */
export function contentPublisher(parts: ContentPublisherParts): Workflow {
  return defineWorkflow(
    {
      type: CONTENT_PUBLISHER,
      input: z.strictObject({ review_id: z.uuid() }),
      concurrency: 3,
      preflight: () => parts.library.ready(),
      async run({ input }, context) {
        const approved = await parts.library.approved(input.review_id);
        if (!approved) throw new TaskRefused(`nobody has approved the article of review ${input.review_id}`);
        const { article, publishers } = approved;
        const published = await publishEverywhere(article, publishers, context, parts);
        context.log("published after review", { slug: published.slug, review_id: input.review_id });
        const mentions = article.jsonLd.mentions as { name: string }[] | undefined;
        return followed(
          resultOf(
            article,
            published,
            (mentions ?? []).map((mention) => mention.name),
          ),
          readParams({ audit: context.params.audit ?? true }),
        );
      },
    },
    parts.sdk,
  );
}

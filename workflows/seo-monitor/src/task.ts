/** Owns what a task names: the payload of one `seo_monitor` task, checked. Looks nothing up. */
import { z } from "zod";

const Keyword = z.string().trim().min(1).max(200);

/** An own article, or any page. */
const BySlug = z.strictObject({ slug: z.string().trim().min(1).max(300) });
const ByArticle = z.strictObject({ article_id: z.uuid() });
const ByUrl = z.strictObject({
  url: z.url({ protocol: /^https?$/, error: "must be an http or https address" }).max(2000),
  /** What the page is to be found by, the main one first; else its own meta keywords. */
  keywords: z.array(Keyword).max(50).optional(),
  content_type: z.string().min(1).max(63).optional(),
});
/** Whatever is due: what a schedule's slot without a source asks for. */
const Due = z.strictObject({ scope: z.literal("due"), scheduled_for: z.string().max(100).optional() });
const Slot = z.strictObject({ scheduled_for: z.string().max(100) });
/** The follow-up of a task that published: its result names the article. */
const FollowUp = z.object({
  source: z.looseObject({ task_id: z.uuid() }),
  result_data: z.looseObject({ slug: z.string().min(1).max(300).optional() }).nullable(),
});

export const TaskSchema = z.union([BySlug, ByArticle, ByUrl, Due, Slot, FollowUp], {
  error: 'name what to audit: {slug}, {article_id}, {url}, or {scope: "due"}',
});

export type Named =
  | { kind: "slug"; slug: string }
  | { kind: "article"; articleId: string }
  | { kind: "url"; url: string; keywords: string[] | null; contentType: string }
  | { kind: "due" }
  /** Published by a task; what it published is found by that task where its result does not say. */
  | { kind: "published_by"; taskId: string; slug: string | null };

export function named(task: z.output<typeof TaskSchema>): Named {
  if ("slug" in task) return { kind: "slug", slug: task.slug };
  if ("article_id" in task) return { kind: "article", articleId: task.article_id };
  if ("url" in task) {
    const { url, keywords = null, content_type: contentType = "default" } = task;
    return { kind: "url", url, keywords, contentType };
  }
  if ("source" in task) {
    return { kind: "published_by", taskId: task.source.task_id, slug: task.result_data?.slug ?? null };
  }
  return { kind: "due" };
}

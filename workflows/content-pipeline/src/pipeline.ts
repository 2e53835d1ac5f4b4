/** Owns the order of the steps from a topic to a published article, or to a person's desk. Each step is kept; none is written here. */
import {
  defineWorkflow,
  type TaskContext,
  type WithNext,
  type Workflow,
  type WorkflowOptions,
  withNext,
} from "@master-orchestrator/sdk";
import { compose } from "./article/compose.ts";
import { categoryOf, demandCategory } from "./categories.ts";
import { decideByModel } from "./entities/decide.ts";
import { candidateNames } from "./entities/names.ts";
import { doubtsAbout, type EntityJudge, type Resolution, resolveEntities } from "./entities/resolve.ts";
import type { NewArticle } from "./library.ts";
import { type Params, readParams } from "./params.ts";
import { preflight, type Readiness } from "./preflight.ts";
import { type PublishingParts, publishEverywhere } from "./publishing/publish.ts";
import { type FetchPage, readSourcePages, withReadings } from "./sources/read-sources.ts";
import { type Topic, TopicSchema } from "./topic.ts";
import type { Provider } from "./writing/model.ts";
import { castOf } from "./writing/models.ts";
import { asked, type Desk, writeArticle } from "./writing/write-article.ts";

export const CONTENT_PIPELINE = "content_pipeline";
/** What follows a published article. */
export const SEO_MONITOR = "seo_monitor";

export interface ContentPipelineParts extends PublishingParts, Readiness {
  /** Which providers have a key. Gemini is preferred; with neither the offline writer writes. */
  providers: Readonly<Record<Provider, boolean>>;
  /** Model names; the defaults are in `DEFAULT_MODELS`. */
  models?: Partial<Record<Provider, string>>;
  /** Reads the sources that a topic names by address; without it they stay unread. */
  fetchPage?: FetchPage;
  /** Decides which entity a name means; by rule where it is left out. */
  judge?: EntityJudge;
  sdk?: WorkflowOptions;
}

/** What the task's `result_data` holds. */
export interface ArticleResult {
  /** Of the published article; of one in review, the one that it will ask for. */
  slug: string;
  /** Null while a person has not approved it. */
  article_url: string | null;
  /** Where other publishers show it, by their names. */
  published_at_publishers?: Record<string, string | null>;
  /** True where a person has to approve it: then nothing is published. */
  review: boolean;
  review_id?: string;
  review_url?: string;
  /** Why a person has to. */
  reasons?: string[];
  generator: string;
  /** Who gave the marks: provider and model, or `deterministic-rubric`. */
  judge: string;
  /** 0–100. */
  quality: number;
  words: number;
  entities: string[];
  /** The slug of its category; null for none. */
  category: string | null;
  /** Sources that could not be read, with the reason. */
  unread_sources?: { url: string | null; why: string }[];
}

/** The built-in sub-workflow: one article for each topic of a batch. */
export function contentPipeline(parts: ContentPipelineParts): Workflow {
  return defineWorkflow(
    {
      type: CONTENT_PIPELINE,
      input: TopicSchema,
      concurrency: 3,
      preflight: (context) => preflight(context, parts),
      run: (task, context) => articleOf(task, context, parts),
    },
    parts.sdk,
  );
}

async function articleOf(
  task: { taskId: string; contentType: string; input: Topic },
  context: TaskContext,
  parts: ContentPipelineParts,
): Promise<ArticleResult | WithNext<ArticleResult>> {
  const params = readParams(context.params);
  const { providers, models, library } = parts;
  const cast = castOf({ providers, models, ...params.models });
  const desk: Desk = { library, cast, params };

  await demandCategory(task.input, library);
  context.progress(0, "reading its sources");
  const readings = await context.step("sources", () =>
    readSourcePages(task.input, parts.fetchPage, context.signal),
  );
  const topic = withReadings(task.input, readings);

  context.progress(0.1, "finding who and what it is about");
  const resolution = await namesOf(topic, context, { desk, judge: parts.judge });

  const { draft, quality } = await writeArticle(topic, resolution, context, desk);
  const { taskId, contentType } = task;
  const { executionId } = context;
  const composed = compose(topic, draft, quality, resolution);
  const { entityIds } = composed;
  const category = await context.step("category", () =>
    categoryOf({ topic, contentType, entityIds }, params, library),
  );
  const article: NewArticle = {
    ...composed,
    category,
    taskId,
    contentType,
    executionId,
  };

  const reasons = [...quality.reasons, ...(params.review === "always" ? ["every article is reviewed"] : [])];
  if (reasons.length > 0) return await submit(article, { reasons, resolution, params }, context, parts);
  context.progress(0.9, "publishing");
  const published = await publishEverywhere(article, params.publishers, context, parts);
  context.log("published", { slug: published.slug, quality: quality.score, generator: draft.generator });
  const result = resultOf(
    article,
    published,
    resolution.entities.map((entity) => entity.name),
  );
  return followed(result, params);
}

/** Which entities the topic speaks of: by alias and likeness, where these leave doubts by a model, where it has doubts by a person. */
async function namesOf(
  topic: Topic,
  context: TaskContext,
  { desk, judge }: { desk: Desk; judge: EntityJudge | undefined },
): Promise<Resolution> {
  const { cast, library } = desk;
  const candidates = candidateNames(topic);
  const doubts = cast ? await doubtsAbout(candidates, library, judge) : [];
  const decided =
    cast && doubts.length > 0
      ? await context.step("decide-names", () =>
          decideByModel(asked(cast.writer, context), doubts, topic, context.signal),
        )
      : {};
  return await context.step("entities", () =>
    resolveEntities(candidates, library, { judge, decided, taskId: context.taskId }),
  );
}

async function submit(
  article: NewArticle,
  { reasons, resolution, params }: { reasons: string[]; resolution: Resolution; params: Params },
  context: TaskContext,
  parts: ContentPipelineParts,
): Promise<ArticleResult> {
  context.progress(0.9, "handing it to a person");
  const { reviewId } = await context.step("submit", async () => {
    context.signal.throwIfAborted();
    return await parts.library.submit(article, reasons, params.publishers);
  });
  context.log("waits for a person", { review_id: reviewId, quality: article.quality.score });
  const { slug } = article;
  const names = resolution.entities.map((entity) => entity.name);
  return {
    ...resultOf(article, { slug, articleUrl: null, elsewhere: {} }, names),
    review: true,
    review_id: reviewId,
    review_url: `${(parts.publicUrl ?? "").replace(/\/+$/, "")}/api/v1/content/reviews/${reviewId}`,
    reasons,
  };
}

/** The result of an article that is published, or is to be. */
export function resultOf(
  article: NewArticle,
  published: { slug: string; articleUrl: string | null; elsewhere: Record<string, string | null> },
  entities: string[],
): ArticleResult {
  const unread = article.sources.flatMap(({ url, note }) => (note === null ? [] : [{ url, why: note }]));
  const { elsewhere } = published;
  return {
    slug: published.slug,
    article_url: published.articleUrl,
    ...(Object.keys(elsewhere).length > 0 ? { published_at_publishers: elsewhere } : {}),
    review: false,
    generator: article.generator,
    judge: article.quality.judge,
    quality: article.quality.score,
    words: article.words,
    entities,
    category: article.category ?? null,
    ...(unread.length > 0 ? { unread_sources: unread } : {}),
  };
}

/** Asks for the audit of what readers can see; an article in review has nothing to audit yet. */
export function followed(result: ArticleResult, { audit }: Params): ArticleResult | WithNext<ArticleResult> {
  return audit ? withNext(result, [{ workflow_type: SEO_MONITOR, payload: { slug: result.slug } }]) : result;
}

/** Owns the order of the steps from a topic to a published article. Each step is kept; none is written here. */
import {
  defineWorkflow,
  type TaskContext,
  type Workflow,
  type WorkflowOptions,
} from "@master-orchestrator/sdk";
import { plainTextOf, scoreQuality } from "./article/quality.ts";
import { renderArticle } from "./article/render.ts";
import { slugOf } from "./article/slug.ts";
import { articleJsonLd } from "./article/structured-data.ts";
import { candidateNames } from "./entities/names.ts";
import { type EntityJudge, type ResolvedEntity, resolveEntities } from "./entities/resolve.ts";
import type { Library, NewArticle, QualityScore } from "./library.ts";
import { sourceName, type Topic, TopicSchema } from "./topic.ts";
import type { Draft, Writer } from "./writing/draft.ts";
import { DEFAULT_MODELS, type ModelWriterParts, modelWriter, type Provider } from "./writing/model-writer.ts";
import { offlineWriter } from "./writing/offline-writer.ts";
import { countWords } from "./writing/sentences.ts";

export const CONTENT_PIPELINE = "content_pipeline";

export interface ContentPipelineParts {
  library: Library;
  /** Which providers have a key. Gemini is preferred; with neither the offline writer writes. */
  providers: Readonly<Record<Provider, boolean>>;
  /** Model names; the defaults are in `DEFAULT_MODELS`. */
  models?: Partial<Record<Provider, string>>;
  /** Base of absolute article addresses, e.g. `https://news.example`; without it they are paths. */
  publicUrl?: string;
  /** Decides which entity a name means; by rule where it is left out. */
  judge?: EntityJudge;
  sdk?: WorkflowOptions;
}

/** What the task's `result_data` holds. */
export interface ArticleResult {
  slug: string;
  article_url: string;
  generator: string;
  /** 0–100. */
  quality: number;
  words: number;
  entities: string[];
}

/** The built-in sub-workflow: one article for each topic of a batch. */
export function contentPipeline(parts: ContentPipelineParts): Workflow {
  return defineWorkflow(
    {
      type: CONTENT_PIPELINE,
      input: TopicSchema,
      concurrency: 3,
      run: (task, context) => publishTopic(task, context, parts),
    },
    parts.sdk,
  );
}

async function publishTopic(
  task: { taskId: string; contentType: string; input: Topic },
  context: TaskContext,
  parts: ContentPipelineParts,
): Promise<ArticleResult> {
  const { input: topic, taskId, contentType } = task;
  context.progress(0, "finding who and what it is about");
  const entities = await context.step("entities", () =>
    resolveEntities(candidateNames(topic), parts.library, parts.judge),
  );

  const writer = chooseWriter(parts, context);
  context.progress(0.2, `writing (${writer.generator})`);
  const draft = await context.step("write", () => writer.write(topic, entities, context.signal));

  context.progress(0.8, "measuring");
  const quality = await context.step("quality", async () => scoreQuality(draft, topic));

  context.progress(0.9, "publishing");
  const published = await context.step("publish", async () => {
    context.signal.throwIfAborted();
    const article = compose(topic, draft, quality, entities);
    return await parts.library.publish({ ...article, taskId, contentType, executionId: context.executionId });
  });
  context.log("published", { slug: published.slug, quality: quality.score, generator: draft.generator });
  return {
    slug: published.slug,
    article_url: `${(parts.publicUrl ?? "").replace(/\/+$/, "")}/articles/${published.slug}`,
    generator: draft.generator,
    quality: quality.score,
    words: countWords(plainTextOf(draft)),
    entities: entities.map((entity) => entity.name),
  };
}

function chooseWriter(parts: ContentPipelineParts, context: TaskContext): Writer {
  const provider: Provider | null = parts.providers.gemini
    ? "gemini"
    : parts.providers.openai
      ? "openai"
      : null;
  if (provider === null) return offlineWriter;
  const model = parts.models?.[provider] ?? DEFAULT_MODELS[provider];
  const from: ModelWriterParts = { provider, model, gateway: context.gateway, log: context.log };
  return modelWriter(from);
}

/** The article as the library keeps it, but for who asked for it. */
export function compose(
  topic: Topic,
  draft: Draft,
  quality: QualityScore,
  entities: readonly ResolvedEntity[],
): Omit<NewArticle, "taskId" | "executionId" | "contentType"> {
  const words = countWords(plainTextOf(draft));
  const { html, markdown } = renderArticle(draft, topic);
  return {
    // From the topic's title, not the model's: a second attempt asks for the same address.
    slug: slugOf(topic.title),
    title: draft.title,
    summary: draft.summary,
    html,
    markdown,
    language: topic.language,
    author: topic.author ?? null,
    keywords: topic.keywords,
    generator: draft.generator,
    quality,
    words,
    sources: topic.sources.map((source, i) => ({
      title: sourceName(source, i),
      url: source.url ?? null,
      read: (source.text ?? "").trim() !== "",
    })),
    jsonLd: articleJsonLd(draft, topic, { words, entities: entities.map((entity) => entity.name) }),
    entityIds: [...new Set(entities.map((entity) => entity.entityId))],
  };
}

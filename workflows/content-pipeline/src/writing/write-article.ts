/** Owns the way from a topic to an article that is judged: outline, writing, verdict, one revision, each a step that is paid once. */
import type { TaskContext } from "@master-orchestrator/sdk";
import { judgeByModel } from "../article/judge.ts";
import { fingerprintOf, likenessOf } from "../article/likeness.ts";
import { plainTextOf } from "../article/measure.ts";
import type { QualityScore } from "../article/quality-score.ts";
import { findingsFor, judgeByMeasures, scoreOf, type Verdict } from "../article/rubric.ts";
import type { Resolution } from "../entities/resolve.ts";
import type { Library } from "../library.ts";
import type { Params } from "../params.ts";
import type { Topic } from "../topic.ts";
import type { Draft, Writer } from "./draft.ts";
import type { AskedModel, Model } from "./model.ts";
import { modelWriter } from "./model-writer.ts";
import type { Cast } from "./models.ts";
import { offlineWriter } from "./offline-writer.ts";

export interface Desk {
  library: Library;
  /** Null: no model is there, neither to write nor to judge. */
  cast: Cast | null;
  params: Params;
}

export interface WrittenArticle {
  draft: Draft;
  quality: QualityScore;
}

/** A model as this attempt may ask it. */
export function asked(model: Model, context: TaskContext): AskedModel {
  return { ...model, gateway: context.gateway, log: context.log };
}

/** Writes and judges; below the bar writes once more with what was found wanting, and keeps the better of the two. */
export async function writeArticle(
  topic: Topic,
  { entities }: Resolution,
  context: TaskContext,
  desk: Desk,
): Promise<WrittenArticle> {
  const { cast, params } = desk;
  const { signal } = context;
  const writer: Writer = cast ? modelWriter(asked(cast.writer, context)) : offlineWriter;
  context.progress(0.2, `writing (${writer.generator})`);
  const outline = writer.outline
    ? await context.step("outline", () => writer.outline!(topic, entities, signal))
    : null;
  context.progress(0.35);
  const draft = await context.step("write", () => writer.write(topic, entities, outline, signal));

  context.progress(0.6, "judging");
  const verdict = await judge(draft, "judge", { topic, context, desk });
  const quality = await context.step("quality", () => score(draft, verdict, { topic, context, desk }));
  const first = { draft, quality };
  // Another wording mends neither what is already said elsewhere nor what a person wants to see anyway.
  if (passes(quality, params) || !writer.revise || params.revisions === 0) return first;

  context.progress(0.7, "revising");
  const findings = findingsFor(quality, verdict);
  const revised = await context.step("revise", () =>
    writer.revise!(topic, entities, { draft, findings }, signal),
  );
  const secondVerdict = await judge(revised, "judge-revised", { topic, context, desk });
  const secondQuality = await context.step("quality-revised", () =>
    score(revised, secondVerdict, { topic, context, desk }),
  );
  return better(first, { draft: revised, quality: secondQuality });
}

interface About {
  topic: Topic;
  context: TaskContext;
  desk: Desk;
}

async function judge(draft: Draft, step: string, { topic, context, desk }: About): Promise<Verdict> {
  const { cast } = desk;
  if (!cast) return judgeByMeasures(draft, topic);
  return await context.step(step, () =>
    judgeByModel(asked(cast.judge, context), draft, topic, context.signal),
  );
}

async function score(draft: Draft, verdict: Verdict, { topic, context, desk }: About): Promise<QualityScore> {
  const fingerprint = fingerprintOf(plainTextOf(draft));
  const alike = fingerprint ? await desk.library.articlesLike(fingerprint.bands, context.taskId) : [];
  let nearest: { slug: string; likeness: number } | null = null;
  for (const { slug, signature } of alike) {
    const likeness = Math.round(likenessOf(fingerprint!.signature, signature) * 100) / 100;
    if (likeness > (nearest?.likeness ?? 0)) nearest = { slug, likeness };
  }
  return scoreOf(verdict, {
    draft,
    topic,
    likeness: fingerprint ? nearest : undefined,
    bar: desk.params.bar,
  });
}

function passes(quality: QualityScore, { bar }: Params): boolean {
  return quality.score >= bar.score && quality.support >= Math.round(bar.support * 100);
}

/** Fewer reasons against it, then the higher score. */
function better(first: WrittenArticle, second: WrittenArticle): WrittenArticle {
  const [a, b] = [first.quality, second.quality];
  if (a.reasons.length !== b.reasons.length) return a.reasons.length < b.reasons.length ? first : second;
  return a.score > b.score ? first : second;
}

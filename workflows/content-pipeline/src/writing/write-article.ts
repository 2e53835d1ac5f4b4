/** Owns the way from a topic to an article that is judged: outline, writing, verdict, one revision, each a step that is paid once. */
import type { TaskContext } from "@master-orchestrator/sdk";
import { judgeByModel } from "../article/judge.ts";
import { measure } from "../article/measure.ts";
import type { QualityScore } from "../article/quality-score.ts";
import { renderArticle } from "../article/render.ts";
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
  const { clock, gateway, log } = context;
  return { ...model, clock, gateway, log };
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
  const about = { topic, context, desk };
  const first = await judged(draft, "", about);
  // Another wording mends neither what is already said elsewhere nor what a person wants to see anyway.
  if (passes(first.quality, params) || !writer.revise || params.revisions === 0) return first;

  context.progress(0.7, "revising");
  const findings = findingsFor(first.quality, first.verdict);
  const revised = await context.step("revise", () =>
    writer.revise!(topic, entities, { draft, findings }, signal),
  );
  return better(first, await judged(revised, "-revised", about));
}

interface About {
  topic: Topic;
  context: TaskContext;
  desk: Desk;
}

type Judged = WrittenArticle & { verdict: Verdict };

/** The verdict is a step of its own where a model is paid for it. */
async function judged(draft: Draft, suffix: string, { topic, context, desk }: About): Promise<Judged> {
  const { cast, library, params } = desk;
  const measures = measure(draft, topic);
  const verdict = cast
    ? await context.step(`judge${suffix}`, () =>
        judgeByModel(asked(cast.judge, context), draft, topic, context.signal),
      )
    : judgeByMeasures(measures);
  const quality = await context.step(`quality${suffix}`, async () => {
    const { html } = renderArticle(draft, topic);
    const likeness = await library.nearestTo(html, context.taskId, context.signal);
    return scoreOf(verdict, { measures, likeness, bar: params.bar });
  });
  return { draft, verdict, quality };
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

/** Wires the two workflows of the editors' desk: the pipeline that writes and the publisher of what was approved. Writes no word itself. */
import { join } from "node:path";
import {
  CONTENT_PIPELINE,
  CONTENT_PUBLISHER,
  castOf,
  contentPipeline,
  contentPublisher,
  type Outgoing,
  type Provider,
  type PublisherRow,
  type PublishingParts,
  tryPublisher,
} from "@master-orchestrator/content-pipeline";
import { sign } from "@master-orchestrator/contract/signature";
import type { WorkflowOptions } from "@master-orchestrator/sdk";
import { nearestTo } from "@master-orchestrator/seo-monitor";
import type { Config } from "#config.ts";
import type { Clock } from "#engine/clock.ts";
import { openHostTurns } from "#engine/host-turns.ts";
import type { Log } from "#log.ts";
import type { Outbound } from "#outbound/client.ts";
import { createPageReader } from "#outbound/pages.ts";
import { articlesLike } from "#store/content.ts";
import type { Database } from "#store/database.ts";
import { hasTrigrams } from "#store/entities.ts";
import { readBudget } from "#store/ledger-views.ts";
import { contentLibrary } from "#store/library.ts";
import { seoLibrary } from "#store/seo.ts";

export interface ContentParts {
  db: Database;
  config: Config;
  outbound: Outbound;
  clock: Clock;
  log: Log;
}

const PUBLISHER_WITHIN_MS = 20_000;
const MAX_ANSWER_BYTES = 2_000_000;

/** What a model's article takes, a revision included: counted by its steps, priced in docs/pipeline.md; lanes are then measured. */
const WRITER_CALLS = 3;
const JUDGE_CALLS = 2;
const COST_USD = 0.02;

/** What each of the two is built from; the database is asked once what it can do. */
export async function contentWorkflows(parts: ContentParts) {
  const { db, config, outbound, clock } = parts;
  const providers = providersOf(config);
  const publishing = await publishingParts(parts);
  const { read: fetchPage } = createPageReader({
    outbound,
    nowMs: clock.nowMs,
    inTurn: openHostTurns(db, clock).pass,
  });
  return {
    pipeline: {
      type: CONTENT_PIPELINE,
      estimates: estimatesOf(providers),
      build: (sdk: WorkflowOptions) =>
        contentPipeline({ ...publishing, providers, fetchPage, budgetLeftUsd: () => budgetLeftUsd(db), sdk }),
    },
    publisher: {
      type: CONTENT_PUBLISHER,
      build: (sdk: WorkflowOptions) => contentPublisher({ ...publishing, sdk }),
    },
  };
}

/** Tries a publisher out, in words; throws what is wrong with it. */
export function publisherTrial({ config, outbound, clock }: Omit<ContentParts, "db" | "log">) {
  return (publisher: PublisherRow, signal: AbortSignal): Promise<string> =>
    tryPublisher(
      publisher,
      { outgoing: outgoingBy(outbound, clock), folder: articlesFolder(config) },
      signal,
    );
}

async function publishingParts({ db, config, outbound, clock, log }: ContentParts): Promise<PublishingParts> {
  const trigrams = await hasTrigrams(db);
  if (!trigrams) {
    const hint = "Let the database's owner run: create extension pg_trgm;";
    log.warn("pg_trgm is not there: names are compared only where their words begin alike", { hint });
  }
  return {
    library: { ...contentLibrary(db, { trigrams }), ...likeness(db) } as PublishingParts["library"],
    publicUrl: config.publicUrlIsDefault ? undefined : config.publicUrl,
    outgoing: outgoingBy(outbound, clock),
    folder: articlesFolder(config),
  };
}

/** What is alike is told in one way, the SEO monitor's. */
function likeness(db: Database): Pick<PublishingParts["library"], "nearestTo"> {
  const library = seoLibrary(db);
  return {
    nearestTo: (html, taskId, signal) =>
      nearestTo(html, { library, sharing: (bands) => articlesLike(db, bands, taskId) }, signal),
  };
}

function articlesFolder(config: Config): string {
  return config.articlesDir ?? join(config.dataDir, "articles");
}

function providersOf(config: Config): Record<Provider, boolean> {
  return { gemini: config.gemini.apiKey !== null, openai: config.openai.apiKey !== null };
}

/** What one task takes of each provider; nothing where no model writes. */
function estimatesOf(providers: Record<Provider, boolean>): Record<string, number> | undefined {
  const cast = castOf({ providers });
  if (!cast) return undefined;
  const calls: Record<string, number> = { [`${cast.writer.provider}_calls_per_task`]: WRITER_CALLS };
  const judge = `${cast.judge.provider}_calls_per_task`;
  calls[judge] = (calls[judge] ?? 0) + JUDGE_CALLS;
  return { ...calls, cost_usd_per_task: COST_USD };
}

async function budgetLeftUsd(db: Database): Promise<number> {
  const { capMicros, settledMicros, heldMicros } = await readBudget(db);
  return Math.max(0, capMicros - settledMicros - heldMicros) / 1e6;
}

function outgoingBy(outbound: Outbound, clock: Clock): Outgoing {
  const limits = { timeoutMs: PUBLISHER_WITHIN_MS, maxResponseBytes: MAX_ANSWER_BYTES };
  return {
    get: (url, request) => outbound.get(url, { ...request, ...limits }),
    post: (url, request) => outbound.post(url, { ...request, ...limits }),
    sign: (secret, id, body) => ({ ...sign(secret, id, clock.nowMs() / 1000, Buffer.from(body)) }),
  };
}

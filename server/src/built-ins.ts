/** The sub-workflows that run in this very process: dispatched by signed webhooks, like any other. */
import { createHmac, type KeyObject } from "node:crypto";
import { DEFAULT_PER_SLOT, type Schedule } from "@master-orchestrator/contract";
import type { Tracer } from "@master-orchestrator/contract/trace";
import { INTELLIGENCE_ENGINE, intelligenceEngine } from "@master-orchestrator/intelligence-engine";
import { REVENUE_OPTIMIZER, revenueOptimizer } from "@master-orchestrator/revenue-optimizer";
import type { Workflow, WorkflowOptions } from "@master-orchestrator/sdk";
import { SEO_MONITOR } from "@master-orchestrator/seo-monitor";
import { type ContentParts, contentWorkflows } from "#built-in-content.ts";
import { seoMonitorOf } from "#built-in-seo.ts";
import type { Clock } from "#engine/clock.ts";
import type { BuiltInTarget } from "#engine/dispatcher.ts";
import { intelligenceLibrary } from "#store/intelligence.ts";
import { revenueLibrary } from "#store/revenue.ts";
import { type StoredSettings, seedBuiltIn } from "#store/workflows.ts";

/** The old clocks, as settings: what each built-in workflow is given when it is registered for the first time. */
export const DEFAULT_SCHEDULES = {
  content_pipeline: { every_seconds: 900, source: "topics", per_slot: DEFAULT_PER_SLOT },
  seo_monitor: { every_seconds: 2 * 3600, source: "articles_due", per_slot: 100 },
  intelligence_engine: { every_seconds: 6 * 3600, source: "stale_days", per_slot: 1 },
  revenue_optimizer: { every_seconds: 4 * 3600, source: "events", per_slot: 1 },
} as const satisfies Record<string, Schedule>;

export interface BuiltIn {
  path: string;
  workflow: Workflow;
  signingSecret: string;
}

interface Parts extends ContentParts {
  tokenSecret: KeyObject;
  tracer: Tracer | null;
}

/** What it takes to serve one: the settings are those of its first registration, which operators may change. */
interface Plan {
  type: string;
  settings: StoredSettings;
  build(sdk: WorkflowOptions): Workflow;
}

/** Registers the built-in workflows where they are not yet, and builds them. */
export async function openBuiltIns(parts: Parts): Promise<BuiltIn[]> {
  const { db, tokenSecret, log } = parts;
  const clock = clockOf(parts.clock);
  const opened: BuiltIn[] = [];
  for (const { type, settings, build } of await plans(parts)) {
    await seedBuiltIn(db, type, settings);
    const signingSecret = secretOf(tokenSecret, type);
    const workflow = build({
      signingSecret,
      clock,
      tracer: parts.tracer ?? undefined,
      log: (level, message, details) => log[level](message, { workflow: type, ...details }),
    });
    opened.push({ path: `/workflows/${type.replaceAll("_", "-")}`, workflow, signingSecret });
  }
  return opened;
}

/** The house's own time, as the sdk asks for it. */
function clockOf({ nowMs, monotonicMs, at }: Clock): NonNullable<WorkflowOptions["clock"]> {
  return {
    now: nowMs,
    elapsed: monotonicMs,
    random: Math.random,
    sleep(ms, _why, signal) {
      return new Promise((resolve) => {
        if (signal?.aborted) return resolve();
        const wake = () => {
          cancel();
          signal?.removeEventListener("abort", wake);
          resolve();
        };
        const cancel = at(nowMs() + ms, wake);
        signal?.addEventListener("abort", wake, { once: true });
      });
    },
  };
}

const DEFAULT_SETTINGS = {
  timeout_seconds: 300,
  batch: { min: 1, max: 10 },
  max_concurrent: 3,
  accept: "json_accepted",
  weight: 1,
  critical: false,
} as const satisfies StoredSettings;

async function plans(parts: Parts): Promise<Plan[]> {
  const { pipeline, publisher } = await contentWorkflows(parts);
  const { type, build, estimates } = pipeline;
  const { db, config } = parts;
  const providers = { gemini: config.gemini.apiKey !== null, openai: config.openai.apiKey !== null };
  const publicUrl = config.publicUrlIsDefault ? undefined : config.publicUrl;
  const schedule = DEFAULT_SCHEDULES.content_pipeline;
  return [
    {
      type,
      settings: { ...DEFAULT_SETTINGS, critical: true, schedule, ...(estimates ? { estimates } : {}) },
      build,
    },
    { ...publisher, settings: { ...DEFAULT_SETTINGS, critical: true } },
    {
      type: INTELLIGENCE_ENGINE,
      settings: {
        ...DEFAULT_SETTINGS,
        batch: { min: 1, max: 1 },
        max_concurrent: 1,
        schedule: DEFAULT_SCHEDULES.intelligence_engine,
        estimates: { seconds_per_task: 30, cost_usd_per_task: 0.01 },
      },
      build: (sdk) => intelligenceEngine({ library: intelligenceLibrary(db), providers, publicUrl, sdk }),
    },
    {
      type: REVENUE_OPTIMIZER,
      settings: {
        ...{ ...DEFAULT_SETTINGS, max_concurrent: 1, schedule: DEFAULT_SCHEDULES.revenue_optimizer },
        // It calls no model.
        estimates: { gemini_calls_per_task: 0, cost_usd_per_task: 0 },
      },
      build: (sdk) => revenueOptimizer({ library: revenueLibrary(db), sdk }),
    },
    {
      type: SEO_MONITOR,
      settings: {
        ...DEFAULT_SETTINGS,
        schedule: DEFAULT_SCHEDULES.seo_monitor,
        estimates: { seconds_per_task: 5 },
      },
      build: (sdk) => seoMonitorOf(parts, { providers, sdk }),
    },
  ];
}

/** Where this process serves its built-in workflows. */
export function builtInTargets(builtIns: readonly BuiltIn[], url: string): Map<string, BuiltInTarget> {
  return new Map(
    builtIns.map(({ path, workflow, signingSecret }) => [workflow.type, { url: url + path, signingSecret }]),
  );
}

/** The same in every replica, and stored nowhere. */
function secretOf(tokenSecret: KeyObject, workflowType: string): string {
  return `whsec_${createHmac("sha256", tokenSecret).update(`built-in:${workflowType}`).digest("base64")}`;
}

/** The sub-workflows that run in this very process: dispatched by signed webhooks, like any other. */
import { createHmac, type KeyObject } from "node:crypto";
import { CONTENT_PIPELINE, contentPipeline } from "@master-orchestrator/content-pipeline";
import { DEFAULT_PER_SLOT, type Schedule } from "@master-orchestrator/contract";
import type { Workflow } from "@master-orchestrator/sdk";
import type { Config } from "#config.ts";
import type { BuiltInTarget } from "#engine/dispatcher.ts";
import type { Log } from "#log.ts";
import { contentLibrary } from "#store/content.ts";
import type { Database } from "#store/database.ts";
import { seedBuiltIn } from "#store/workflows.ts";

/** The old clocks, as settings: what each built-in workflow is given when it is registered for the first time. */
export const DEFAULT_SCHEDULES = {
  content_pipeline: { every_seconds: 900, source: "topics", per_slot: DEFAULT_PER_SLOT },
  seo_monitor: { every_seconds: 2 * 3600 },
  revenue_optimizer: { every_seconds: 4 * 3600 },
  intelligence_engine: { every_seconds: 6 * 3600 },
} as const satisfies Record<string, Schedule>;

export interface BuiltIn {
  path: string;
  workflow: Workflow;
  signingSecret: string;
}

/** Registers the built-in workflows where they are not yet, and builds them. */
export async function openBuiltIns(parts: {
  db: Database;
  config: Config;
  tokenSecret: KeyObject;
  log: Log;
}): Promise<BuiltIn[]> {
  const { db, config, tokenSecret, log } = parts;
  await seedBuiltIn(db, CONTENT_PIPELINE, {
    timeout_seconds: 300,
    batch: { min: 1, max: 10 },
    max_concurrent: 3,
    accept: "json_accepted",
    weight: 1,
    critical: true,
    schedule: DEFAULT_SCHEDULES.content_pipeline,
  });
  const signingSecret = secretOf(tokenSecret, CONTENT_PIPELINE);
  const workflow = contentPipeline({
    library: contentLibrary(db),
    providers: { gemini: config.gemini.apiKey !== null, openai: config.openai.apiKey !== null },
    publicUrl: config.publicUrlIsDefault ? undefined : config.publicUrl,
    sdk: {
      signingSecret,
      log: (level, message, details) => log[level](message, { workflow: CONTENT_PIPELINE, ...details }),
    },
  });
  return [{ path: "/workflows/content-pipeline", workflow, signingSecret }];
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

/** Owns the simulated world as the tests of the core see it: every plan gets a snapshot with which it cannot tamper. */
import type { Policy } from "@master-orchestrator/contract";
import { plan } from "#core/plan.ts";
import type { Recovery, WorkflowView } from "#core/snapshot.ts";
import { openWorld, type World } from "#simulate/world.ts";
import { deepFrozen, NOW } from "./builders.ts";

export { isLive, type World, type WorldTask } from "#simulate/world.ts";

/** A world without any task, under one policy; `decide` stands for `plan` where a test looks on or meddles. */
export function aWorld(
  policy: Policy,
  workflows: Record<string, WorkflowView>,
  decide = plan,
  recoveries: readonly Recovery[] = [],
): World {
  const untouched: typeof plan = (snapshot) => decide(deepFrozen(structuredClone(snapshot)));
  return openWorld({ policy, workflows, nowMs: NOW, recoveries, decide: untouched });
}

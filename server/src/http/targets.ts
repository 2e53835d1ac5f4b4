/** Owns what the API takes and shows of a workflow's targets. Shows no value of a query; decides nothing. */
import {
  addressOf,
  isMasked,
  maskedUrl,
  type TargetShown,
  type TargetState,
  targetsOf,
  type WorkflowSettings,
} from "@master-orchestrator/contract";
import type { TargetMemory, TargetView } from "#core/snapshot.ts";
import { failuresInRow } from "#core/target-health.ts";
import { newMemory, receivedLately, rests, targetSubject, targetViews } from "#core/targets.ts";
import type { Queryable } from "#store/database.ts";
import {
  type OccupiedRow,
  openTargetBreakers,
  readOccupied,
  readTargets,
  type TargetBreaker,
} from "#store/targets.ts";
import type { StoredSettings, StoredWorkflow } from "#store/workflows.ts";
import { time } from "./present.ts";
import { wrongField } from "./problem.ts";

type Addresses = Pick<WorkflowSettings, "webhook_url" | "targets">;

/** Everything that the targets of some workflows are shown from. */
export interface TargetStanding {
  nowMs: number;
  /** These three by `workflow/target`. */
  memories: ReadonlyMap<string, TargetMemory>;
  breakers: ReadonlyMap<string, TargetBreaker>;
  occupied: ReadonlyMap<string, OccupiedRow>;
}

export async function readTargetStanding(
  db: Queryable,
  workflowTypes: readonly string[],
): Promise<TargetStanding> {
  const [memories, { nowMs, breakers }, occupied] = await Promise.all([
    readTargets(db, workflowTypes),
    openTargetBreakers(db),
    readOccupied(db),
  ]);
  return {
    nowMs,
    memories: new Map(memories.map((one) => [targetSubject(one.workflowType, one.name), one])),
    breakers: new Map(breakers.map((one) => [one.subject, one])),
    occupied: new Map(
      occupied.flatMap((one) =>
        one.target === null ? [] : [[targetSubject(one.workflowType, one.target), one] as const],
      ),
    ),
  };
}

/** In the order in which they were registered; then those that were taken away and still have runs. */
export function shownTargets(stored: StoredWorkflow, standing: TargetStanding): TargetShown[] {
  const { workflowType, settings, builtIn } = stored;
  const urls = new Map(targetsOf(settings).map(({ name, url }) => [name, maskedUrl(url)]));
  const views = targetViews(settings, { own: builtIn });
  const lately = ({ name }: { name: string }) => {
    const memory = standing.memories.get(targetSubject(workflowType, name));
    return memory ? receivedLately(memory, standing.nowMs) : 0;
  };
  const all = views.reduce((sum, view) => sum + lately(view), 0);
  const weights = views.reduce((sum, view) => sum + entitled(view), 0);
  const shown = views.map((view) => ({
    ...shownTarget(workflowType, view, standing),
    webhook_url: urls.get(view.name) ?? null,
    received_share: all < NOTHING ? null : rounded(lately(view) / all),
    entitled_share: weights === 0 ? 0 : rounded(entitled(view) / weights),
  }));
  return [...shown, ...removedTargets(workflowType, views, standing)];
}

/** Less than this is left of one run after a little more than an hour. */
const NOTHING = 0.01;

function entitled({ weight, draining }: TargetView): number {
  return draining ? 0 : weight;
}

function removedTargets(
  workflowType: string,
  views: readonly TargetView[],
  standing: TargetStanding,
): TargetShown[] {
  const names = [...standing.occupied.values()].flatMap((one) =>
    one.workflowType === workflowType && one.target !== null && one.running + one.snoozed > 0
      ? [one.target]
      : [],
  );
  return names
    .filter((name) => !views.some((view) => view.name === name))
    .map((name) => ({
      ...shownTarget(workflowType, { name, weight: 0, maxConcurrent: null, draining: true }, standing),
      state: "removed" as const,
      webhook_url: null,
      received_share: null,
      entitled_share: 0,
    }));
}

function shownTarget(workflowType: string, view: TargetView, standing: TargetStanding) {
  const { name, weight, maxConcurrent, draining } = view;
  const subject = targetSubject(workflowType, name);
  const memory = standing.memories.get(subject) ?? newMemory(workflowType, name);
  const breaker = standing.breakers.get(subject);
  const resting = rests({ memory }, standing.nowMs);
  const state: TargetState = breaker?.state ?? (draining ? "draining" : resting ? "resting" : "up");
  return {
    name,
    weight,
    max_concurrent: maxConcurrent,
    draining,
    state,
    outstanding: standing.occupied.get(subject)?.running ?? 0,
    room: memory.room,
    failures_in_row: failuresInRow(memory),
    last_success_at: time(memory.lastSuccessAtMs),
    last_failure_at: time(memory.lastFailureAtMs),
    last_failure: memory.lastFailure,
    rests_until: resting ? time(memory.restsUntilMs) : null,
    next_probe_at: breaker?.state === "open" ? time(breaker.nextAtMs) : null,
    received: memory.received,
  };
}

function rounded(share: number): number {
  return Math.round(share * 1000) / 1000;
}

/** The addresses as they are shown: sent back, they mean those that are stored. */
export function shownAddresses({ webhook_url, targets }: StoredSettings): Addresses {
  return {
    ...(webhook_url === undefined ? {} : { webhook_url: maskedUrl(webhook_url) }),
    ...(targets === undefined
      ? {}
      : { targets: targets.map((one) => ({ ...one, webhook_url: maskedUrl(one.webhook_url) })) }),
  };
}

/** The addresses that a document means. Throws Problem `validation_failed` for what cannot be told, or not be told apart. */
export function readAddresses<T extends Addresses>(given: T, before: StoredSettings | null): T {
  const stored = before === null ? [] : targetsOf(before).map(({ url }) => url);
  const unmask = (url: string, path: string, there: string | undefined): string => {
    if (!isMasked(url)) return url;
    if (there !== undefined && maskedUrl(there) === url) return there;
    const found = stored.filter((one) => maskedUrl(one) === url);
    if (found.length === 1) return found[0] as string;
    throw wrongField(path, "is masked, and it cannot be told which stored address it means: write it whole");
  };
  const read: T = { ...given };
  if (given.webhook_url) {
    read.webhook_url = unmask(given.webhook_url, "/webhook_url", before?.webhook_url);
  }
  if (given.targets) {
    read.targets = given.targets.map((target, i) => {
      const there = before?.targets?.[i]?.webhook_url;
      return { ...target, webhook_url: unmask(target.webhook_url, `/targets/${i}/webhook_url`, there) };
    });
  }
  refuseTwins(read);
  return read;
}

/** Each target has a name of its own: by it, rows say where a run is. */
function refuseTwins({ webhook_url, targets = [] }: Addresses): void {
  const listed = targets.some((target) => target.webhook_url === webhook_url);
  const taken = new Set<string>(webhook_url === undefined || listed ? [] : [addressOf(webhook_url)]);
  for (const [i, target] of targets.entries()) {
    const name = target.name ?? addressOf(target.webhook_url);
    if (taken.has(name)) {
      throw wrongField(`/targets/${i}/name`, `another target is called ${name}: give each a name of its own`);
    }
    taken.add(name);
  }
  if (targets.length > 0 && targetsOf({ webhook_url, targets }).every(({ draining }) => draining)) {
    throw wrongField(
      "/targets",
      "are all draining: one needs a weight above 0; to stop them all, pause the workflow",
    );
  }
}

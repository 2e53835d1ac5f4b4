/**
 * The gates for what runs out: permits, money, database connections, memory. While a plan is made it keeps track of what
 * is promised already, by it and to runs at work. What a batch needs it gets all of, or it does not start.
 */
import type { HoldReason } from "@master-orchestrator/contract";
import type { Expected } from "./decision.ts";
import { fleetConnections } from "./health.ts";
import { type Need, needOf } from "./needs.ts";
import {
  type Flow,
  firstFit,
  fitsFrom,
  freeInMs,
  momentMs,
  openCurve,
  type PermitCurve,
  promise,
} from "./permit-curve.ts";
import type { Snapshot } from "./snapshot.ts";
import { type MoneySupply, type RunUse, spentOn } from "./supplies.ts";

/** What the gates look at. */
type Judged = Pick<Snapshot, "nowMs" | "policy" | "workflows" | "resources" | "supplies">;

/** What is left while a plan is being made; every admission takes some. */
export interface Capacity {
  snapshot: Judged;
  /** By the limit's name; opened when somebody needs them, which most work does not. */
  curves: Map<string, PermitCurve>;
  /** Promised beyond what is spent and set aside, by scope. */
  promisedMicros: Map<string, number>;
  /** In use by the fleet, and by the word of the workflows that run. */
  connections: number;
  /** What was looked up already, by lane. */
  needs: Map<string, Need>;
}

/** Who asks: a batch of a lane, or the tasks of a run that starts again. */
export interface Asker {
  workflowType: string;
  contentType: string;
}

export interface ClosedGate {
  reason: HoldReason;
  cause: string;
  expectedAtMs?: number | undefined;
}

const DAY_MS = 86_400_000;
/** A run that takes longer than its lane usually does is expected to go on for this part of that. */
const LEAST_REST = 0.1;
const PERIODS = { requests_per_minute: "a minute", requests_per_day: "a day" } as const;

/** `running`: runs at work, by workflow, as this plan leaves them. */
export function openCapacity(snapshot: Judged, running: Snapshot["running"]): Capacity {
  const { supplies, resources } = snapshot;
  const declared = Object.entries(running).map(
    ([type, runs]) => runs * (snapshot.workflows[type]?.estimates.databaseConnections ?? 0),
  );
  const capacity: Capacity = {
    snapshot,
    curves: new Map(),
    promisedMicros: new Map(),
    connections: declared.reduce((sum, one) => sum + one, fleetConnections(resources).inUse),
    needs: new Map(),
  };
  for (const use of supplies.atWork) promiseRest(capacity, use);
  return capacity;
}

function needFor(capacity: Capacity, asker: Asker): Need {
  const name = `${asker.workflowType}/${asker.contentType}`;
  const need = capacity.needs.get(name) ?? needOf(asker, capacity.snapshot);
  capacity.needs.set(name, need);
  return need;
}

/** The limits on requests that this work has to keep. */
function curvesFor({ snapshot, curves }: Capacity, need: Need): PermitCurve[] {
  const { permits, paused } = snapshot.supplies;
  return permits
    .filter(({ provider }) => calls(need, provider) > 0)
    .map((supply) => {
      const open = curves.get(supply.name);
      if (open) return open;
      const rests = paused.map((one) =>
        one.provider === supply.provider ? one.untilMs - snapshot.nowMs : 0,
      );
      const curve = openCurve(supply, Math.max(0, ...rests));
      curves.set(supply.name, curve);
      return curve;
    });
}

/** What a run at work is still expected to use. */
function promiseRest(capacity: Capacity, use: RunUse): void {
  const need = needFor(capacity, use);
  const restMs = Math.max(need.seconds * 1000 - use.ageMs, need.seconds * 1000 * LEAST_REST);
  for (const curve of curvesFor(capacity, need)) {
    const { provider } = curve.supply;
    const rest = calls(need, provider) * use.tasks - (use.calls[provider] ?? 0);
    if (rest > 0) promise(curve, { calls: rest, durationMs: restMs });
  }
  const micros = (need.costMicros ?? 0) * use.tasks - spentOn(use);
  for (const money of scopesOf(use, capacity)) {
    const provider = providerIn(money.scope);
    const rest =
      provider === null
        ? micros
        : (need.providerMicros[provider] ?? 0) * use.tasks - (use.micros[provider] ?? 0);
    addMoney(capacity, money.scope, Math.max(0, rest));
  }
}

function calls(need: Need, provider: string): number {
  return need.calls[provider] ?? 0;
}

function providerIn(scope: string): string | null {
  return scope.startsWith("provider:") ? scope.slice("provider:".length) : null;
}

function addMoney({ promisedMicros }: Capacity, scope: string, micros: number): void {
  promisedMicros.set(scope, (promisedMicros.get(scope) ?? 0) + micros);
}

/** The ceilings that count for a lane's work. */
function scopesOf({ workflowType, contentType }: Asker, { snapshot }: Capacity): MoneySupply[] {
  const own = ["all", `workflow:${workflowType}`, `content_type:${contentType}`];
  return snapshot.supplies.money.filter(({ scope }) => own.includes(scope) || providerIn(scope) !== null);
}

/** What runs at work are expected to use besides what they have: calls by limit, money by scope, and all connections. */
export function expectedOf({ curves, promisedMicros, connections }: Capacity) {
  const expected = [...curves].map(([name, { promised }]): [string, number] => [
    name,
    rounded(promised.at(-1) ?? 0),
  ]);
  return { calls: new Map(expected), micros: promisedMicros, connections };
}

/** How many of `most` tasks (`least` or more) may start now; or the gate that keeps even `least` of them. */
export function fitting(
  capacity: Capacity,
  asker: Asker,
  { most, least }: { most: number; least: number },
): { tasks: number } | { gate: ClosedGate } {
  const need = needFor(capacity, asker);
  const gate = closedFor(capacity, asker, need, least);
  if (gate) return { gate };
  for (let tasks = most; tasks > least; tasks--) {
    if (!closedFor(capacity, asker, need, tasks)) return { tasks };
  }
  return { tasks: least };
}

function closedFor(capacity: Capacity, asker: Asker, need: Need, tasks: number): ClosedGate | null {
  return (
    memoryGate(capacity, asker) ??
    connectionsGate(capacity, asker) ??
    budgetGate(capacity, asker, { need, tasks }) ??
    permitsGate(capacity, { need, tasks })
  );
}

/** It starts: what it is expected to need is promised to it. Null where nothing is known. */
export function take(capacity: Capacity, asker: Asker, tasks: number): Expected | null {
  const need = needFor(capacity, asker);
  for (const { curve, flow } of flowsOf(capacity, need, tasks)) promise(curve, flow);
  for (const { scope } of scopesOf(asker, capacity)) addMoney(capacity, scope, costIn(scope, need) * tasks);
  capacity.connections += connectionsOf(capacity, asker);
  if (need.costMicros === null && Object.keys(need.calls).length === 0) return null;
  return {
    calls: Object.fromEntries(
      Object.entries(need.calls).map(([provider, calls]) => [provider, rounded(calls * tasks)]),
    ),
    costMicros: need.costMicros === null ? null : Math.round(need.costMicros * tasks),
  };
}

/**
 * It was its turn and it does not fit: what it waits for is kept free for it from the first moment on at which it will
 * fit, so that those after it take only what it will not miss. Thus many that need little never starve one that needs much.
 */
export function setAside(capacity: Capacity, asker: Asker, tasks: number, gate: ClosedGate): void {
  const need = needFor(capacity, asker);
  if (gate.reason === "database_connections") capacity.connections += connectionsOf(capacity, asker);
  if (gate.reason !== "rate_limit") return;
  const flows = flowsOf(capacity, need, tasks);
  const start = firstFit(flows) ?? 0;
  for (const { curve, flow } of flows) promise(curve, flow, start);
}

function flowsOf(capacity: Capacity, need: Need, tasks: number): { curve: PermitCurve; flow: Flow }[] {
  return curvesFor(capacity, need).map((curve) => ({
    curve,
    flow: { calls: calls(need, curve.supply.provider) * tasks, durationMs: need.seconds * 1000 },
  }));
}

function memoryGate({ snapshot }: Capacity, { workflowType }: Asker): ClosedGate | null {
  const { resources, workflows, policy } = snapshot;
  const pressed = resources.replicas.some((replica) => replica.memoryPressed);
  if (!pressed || workflows[workflowType]?.critical) return null;
  const { max_rss_mb: limit, resume_below: below } = policy.memory;
  const cause =
    `a replica has had more than ${limit} MB of resident memory (policy memory.max_rss_mb): only critical ` +
    `workflows start until it has less than ${Math.round(limit * below)} MB`;
  return { reason: "memory", cause };
}

function connectionsOf({ snapshot }: Capacity, { workflowType }: Asker): number {
  return snapshot.workflows[workflowType]?.estimates.databaseConnections ?? 0;
}

function connectionsGate(capacity: Capacity, asker: Asker): ClosedGate | null {
  const allowed = capacity.snapshot.policy.database.max_connections;
  const needed = connectionsOf(capacity, asker);
  if (capacity.connections + needed <= allowed) return null;
  const more = needed > 0 ? `, and a run of ${asker.workflowType} needs ${needed}` : "";
  const cause =
    `the fleet and the runs at work use the ${allowed} connections to the database that are allowed` +
    `${more} (policy database.max_connections)`;
  return { reason: "database_connections", cause };
}

function costIn(scope: string, need: Need): number {
  const provider = providerIn(scope);
  return provider === null ? (need.costMicros ?? 0) : (need.providerMicros[provider] ?? 0);
}

/** Work that is known to cost nothing passes: there is nothing to save. */
function budgetGate(
  capacity: Capacity,
  asker: Asker,
  { need, tasks }: { need: Need; tasks: number },
): ClosedGate | null {
  if (need.costMicros === 0) return null;
  for (const money of scopesOf(asker, capacity)) {
    const provider = providerIn(money.scope);
    if (provider !== null && !(calls(need, provider) > 0 || costIn(money.scope, need) > 0)) continue;
    const used = money.usedMicros + (capacity.promisedMicros.get(money.scope) ?? 0);
    const wanted = Math.ceil(costIn(money.scope, need) * tasks);
    const closed = (cap: number) => used >= cap || used + wanted > cap;
    if (closed(money.capMicros)) return spent(money, capacity, asker);
    const critical = capacity.snapshot.workflows[asker.workflowType]?.critical ?? false;
    if (money.scope === "all" && !critical && closed(capForAll(money, capacity)))
      return forCritical(money, capacity);
  }
  return null;
}

/** What is left above this is for critical workflows alone. */
function capForAll({ capMicros }: MoneySupply, { snapshot }: Capacity): number {
  return Math.floor(capMicros * snapshot.policy.budget.critical_only_at);
}

function spent({ scope, capMicros }: MoneySupply, { snapshot }: Capacity, asker: Asker): ClosedGate {
  const whose =
    scope === "all" ? "the day's budget" : `the day's cap of ${scope.replace("_", " ").replace(":", " ")}`;
  const cause =
    `${whose} is ${usd(capMicros)}: what is spent, set aside and expected of runs at work leaves less than a task ` +
    `of ${asker.workflowType} is expected to cost`;
  return { reason: "budget", cause, expectedAtMs: nextDayMs(snapshot) };
}

function forCritical({ capMicros }: MoneySupply, { snapshot }: Capacity): ClosedGate {
  const part = Math.round(snapshot.policy.budget.critical_only_at * 100);
  const cause = `what is left above ${part} % of the day's ${usd(capMicros)} is for critical workflows (policy budget.critical_only_at)`;
  return { reason: "budget_critical_only", cause, expectedAtMs: nextDayMs(snapshot) };
}

function nextDayMs({ nowMs }: Judged): number {
  return (Math.floor(nowMs / DAY_MS) + 1) * DAY_MS;
}

function permitsGate(capacity: Capacity, { need, tasks }: { need: Need; tasks: number }): ClosedGate | null {
  const flows = flowsOf(capacity, need, tasks);
  const short = flows.find(({ curve, flow }) => !fitsFrom(curve, flow));
  if (!short) return pausedGate(capacity, need);
  const { snapshot } = capacity;
  const { provider, limit, kind } = short.curve.supply;
  const rests = pausedGate(capacity, { ...need, calls: { [provider]: 1 } });
  if (rests) return rests;
  const start = firstFit(flows);
  const inMs =
    start === null ? freeInMs(short.curve.supply, Math.min(short.flow.calls, limit)) : momentMs(start);
  const one = rounded(need.calls[provider] as number);
  const cause =
    `${provider} allows ${limit} requests ${PERIODS[kind]} (policy providers.${provider}.${kind}): what is used and ` +
    `expected of runs at work leaves fewer than the ${one} that a task is expected to make`;
  return { reason: "rate_limit", cause, expectedAtMs: inMs === null ? undefined : snapshot.nowMs + inMs };
}

/** Also where no limit is set: what a provider says of itself counts. */
function pausedGate({ snapshot }: Capacity, need: Need): ClosedGate | null {
  const paused = snapshot.supplies.paused.find(
    ({ provider, untilMs }) => untilMs > snapshot.nowMs && (need.calls[provider] ?? 0) > 0,
  );
  if (!paused) return null;
  const { provider, kind, untilMs } = paused;
  const cause = `${provider} rests until ${new Date(untilMs).toISOString()}: it has said that its own limit is reached (${kind})`;
  return { reason: "rate_limit", cause, expectedAtMs: untilMs };
}

function usd(micros: number): string {
  return `$${(micros / 1e6).toFixed(2)}`;
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}

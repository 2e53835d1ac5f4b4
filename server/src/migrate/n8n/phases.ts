/** Owns what each phase adds to a workflow, and when it cannot be done safely. Pure. */
import { Problem } from "@master-orchestrator/contract";
import { isAwaited, isDisabled, isNote, triggerKind } from "./kinds.ts";
import { lockPieces, one } from "./lock-parts.ts";
import type { TransformSettings } from "./mark.ts";
import {
  CREDENTIALS,
  claimPart,
  codePart,
  entryPart,
  NAMES,
  noOpPart,
  reportPart,
  runPart,
  startPart,
} from "./parts.ts";
import type { Plan, Start } from "./plan.ts";
import { schedulesOf } from "./schedules.ts";
import { byShare } from "./share.ts";
import { FAILURE_CODE, INPUT_CODE, OUTCOME_CODE } from "./snippets.ts";
import {
  kindOf,
  type N8nConnections,
  type N8nNode,
  type N8nTarget,
  type N8nWorkflow,
  textsIn,
} from "./workflow.ts";

function refuse(workflow: N8nWorkflow, reason: string, hint: string): never {
  throw new Problem("validation_failed", `"${workflow.name}": ${reason}`, hint);
}

/** Run by the orchestrator's webhook; every end is reported. */
export function basicPlan(workflow: N8nWorkflow, settings: TransformSettings, seed: string): Plan {
  refuseSubWorkflow(workflow, "basic");
  const triggers = startsForBasic(workflow);
  const path = `orchestrator/${settings.workflowType}`;
  const referred = referredTo(workflow, triggers);
  const starts = triggers
    .map((node) =>
      startOf(workflow, node, { shim: node === referred, disabled: triggerKind(node) === "schedule" }),
    )
    .map((start) => ({ ...start, removed: settings.phase === "final" && start.disabled }));
  const untouched = workflow.nodes.filter(
    (node) =>
      !isDisabled(node) &&
      !triggers.includes(node) &&
      ["webhook", "form", "chat", "event"].includes(triggerKind(node) ?? ""),
  );
  const plan: Plan = {
    starts,
    parts: [
      { part: startPart(path, seed), column: 0, row: 0 },
      { part: claimPart(), column: 1, row: 0 },
      { part: codePart(NAMES.input, INPUT_CODE), column: 2, row: 0 },
      { part: noOpPart(NAMES.notOurs), column: 2, row: 1 },
      { part: runPart(NAMES.run, settings.trialId ?? null), column: 3, row: 0 },
      { part: codePart(NAMES.outcome, OUTCOME_CODE), column: 4, row: 0 },
      { part: codePart(NAMES.failure, FAILURE_CODE), column: 4, row: 1 },
      { part: reportPart(), column: 5, row: 0 },
      { part: entryPart(), column: 0, row: 2 },
    ],
    connections: {
      [NAMES.start]: one(NAMES.claim),
      [NAMES.claim]: one(NAMES.input, NAMES.notOurs),
      [NAMES.input]: one(NAMES.run),
      [NAMES.run]: one(NAMES.outcome, NAMES.failure),
      [NAMES.outcome]: one(NAMES.report),
      [NAMES.failure]: one(NAMES.report),
      [NAMES.entry]: entryTargets(workflow, triggers, referred),
      // Switched on again, or by hand, it starts what it always started.
      ...Object.fromEntries(
        starts
          .filter(({ name, clock, removed }) => name !== clock && !removed)
          .map(({ name, clock }) => [clock, one(name)]),
      ),
    },
    notes: [
      `In n8n create a credential "Header Auth" named "${CREDENTIALS.webhook}" with a header such as X-Api-Key and a secret of your own.`,
      `Register the workflow with the same header: PUT /api/v1/workflows/${settings.workflowType} {"webhook_url": "https://YOUR-N8N/webhook/${path}", "auth": {"type": "header", "name": "X-Api-Key", "value": "…"}, "timeout_seconds": ${timeoutSeconds(workflow, 300)}${scheduleHint(workflow)}}.`,
      ...untouched.map(
        (node) => `"${node.name}" still starts runs by itself: only schedules were switched off.`,
      ),
      ...waitNotes(workflow),
    ],
    webhookPath: path,
  };
  return shared(plan, workflow, settings, seed);
}

/** Nodes that put a run to sleep: in n8n 1.x whoever called it goes on meanwhile. */
function waitNotes(workflow: N8nWorkflow): string[] {
  return workflow.nodes
    .filter((node) => !isDisabled(node))
    .filter((node) => kindOf(node) === "wait" || node.parameters?.operation === "sendAndWait")
    .map(
      (node) =>
        `"${node.name}" puts the run to sleep: use n8n 2 or later, since 1.x would take the run for ended.`,
    );
}

/** The schedule as a setting of the orchestrator, where it is that simple. */
function scheduleHint(workflow: N8nWorkflow): string {
  const rules = schedulesOf(workflow).flatMap(({ disabled, rules: all }) => (disabled ? [] : all));
  if (rules.length === 0) return "";
  const [seconds] = rules.map((rule) => rule.everySeconds);
  const simple = rules.length === 1 && seconds !== null && seconds! >= 60;
  return simple ? `, "schedule": {"every_seconds": ${seconds}}` : ', "schedule": {…}';
}

/** The triggers that the orchestrator takes the place of. */
function startsForBasic(workflow: N8nWorkflow): N8nNode[] {
  const triggers = workflow.nodes.filter((node) => triggerKind(node) !== null);
  const enabled = triggers.filter((node) => !isDisabled(node));
  const schedules = enabled.filter((node) => triggerKind(node) === "schedule");
  const starts = schedules.length > 0 ? schedules : enabled.filter((node) => triggerKind(node) === "manual");
  if (starts.length === 0) refuseWithoutClock(workflow, triggers, enabled);
  return thatStartOneWork(workflow, starts);
}

function refuseWithoutClock(workflow: N8nWorkflow, triggers: N8nNode[], enabled: N8nNode[]): never {
  if (triggers.length === 0)
    refuse(workflow, "it has no trigger", "Add the trigger that starts it, and export it again.");
  const off = triggers.find((node) => isDisabled(node) && triggerKind(node) === "schedule");
  if (off) {
    const reason = `its schedule "${off.name}" is disabled, so it does not run by a clock`;
    refuse(
      workflow,
      reason,
      "Enable the schedule (the transformed workflow switches it off again), or leave it as it is.",
    );
  }
  const names = enabled.map((node) => `"${node.name}"`).join(", ") || "none that is enabled";
  const hint =
    "What starts by a call or an event needs no transformer: register its webhook, or use --phase mutex.";
  refuse(workflow, `no schedule starts it (its triggers: ${names})`, hint);
}

/** Runs of every trigger go through the lock, and give it back at every end. */
export function mutexPlan(workflow: N8nWorkflow, settings: TransformSettings, seed: string): Plan {
  refuseSubWorkflow(workflow, "mutex");
  const enabled = workflow.nodes.filter((node) => !isDisabled(node) && triggerKind(node) !== null);
  const awaited = enabled.find((node) => isAwaited(node));
  if (awaited) {
    const reason = `whoever calls "${awaited.name}" waits for what the run brings, and would get the lock's answer`;
    refuse(workflow, reason, "Let it respond immediately, or keep the lock out of this workflow.");
  }
  const candidates = enabled.filter((node) => triggerKind(node) !== "error");
  if (candidates.length === 0) {
    refuse(
      workflow,
      "it has no enabled trigger behind which a lock could stand",
      "Enable or add its trigger first.",
    );
  }
  const triggers = thatStartOneWork(workflow, candidates);
  const leaseSeconds = timeoutSeconds(workflow, 3600);
  if (leaseSeconds > 86_400) {
    refuse(
      workflow,
      "it may run for longer than a day, and no lease is longer",
      "Set a shorter timeout in the workflow's settings.",
    );
  }
  const referred = referredTo(workflow, triggers);
  if (referred) refuseRenaming(workflow, referred);
  const starts = triggers.map((node) =>
    startOf(workflow, node, { shim: node === referred, disabled: false }),
  );
  const clocks = starts.map(({ clock }) => clock);
  const { parts, connections } = lockPieces(settings, { clocks, leaseSeconds, seed });
  const plan: Plan = {
    starts,
    parts: [...parts, { part: entryPart(), column: 0, row: 2 }],
    connections: {
      ...Object.fromEntries(clocks.map((clock) => [clock, one(NAMES.acquire)])),
      ...connections,
      [NAMES.entry]: entryTargets(workflow, triggers, referred),
    },
    notes: mutexNotes(workflow, settings, leaseSeconds),
    webhookPath: null,
  };
  return shared(plan, workflow, settings, seed);
}

/** Where the settings say so, each firing asks whose turn it is. */
function shared(plan: Plan, workflow: N8nWorkflow, settings: TransformSettings, seed: string): Plan {
  if (settings.before === undefined) return plan;
  const entry = plan.connections[NAMES.entry]!;
  return byShare(plan, settings, seed, { entry, leaseSeconds: timeoutSeconds(workflow, 3600) });
}

function mutexNotes(workflow: N8nWorkflow, settings: TransformSettings, leaseSeconds: number): string[] {
  const hasTimeout = executionTimeout(workflow) !== null;
  return [
    ...waitNotes(workflow),
    `In n8n create a credential "Header Auth" named "${CREDENTIALS.api}": name Authorization, value "Bearer " and a worker key (orchestrator keys create --name n8n --role worker).`,
    `The lock is "${settings.lock}" at ${settings.orchestratorUrl}, for ${leaseSeconds} s; a run waits ${settings.waitSeconds} s for it and is skipped then. Workflows exclude each other when they have the same lock (--lock).`,
    ...(hasTimeout
      ? []
      : [
          `It has no timeout: a run of more than ${leaseSeconds} s would go on without the lock. Set one in the workflow's settings, and transform the original again.`,
        ]),
  ];
}

/** n8n starts a workflow that is called at the first trigger of this kind, and there may be one only. */
function refuseSubWorkflow(workflow: N8nWorkflow, phase: string): void {
  const called = workflow.nodes.find((node) => kindOf(node) === "executeWorkflowTrigger");
  if (called) {
    refuse(
      workflow,
      `other workflows call it (by "${called.name}"), and ${phase} would have to start it there as well`,
      "Transform the workflows that call it; or move its own trigger into a workflow that calls it, and transform that.",
    );
  }
  const policy = workflow.settings?.callerPolicy;
  if (policy === "none" || policy === "workflowsFromAList") {
    refuse(
      workflow,
      "its settings forbid that it is called, and the transformed workflow calls itself",
      'Allow "workflows created by the same user" to call it, in the workflow\'s settings.',
    );
  }
}

function targetsOf(workflow: N8nWorkflow, node: N8nNode): N8nTarget[] {
  return (workflow.connections[node.name]?.main ?? []).flatMap((list) => list ?? []);
}

/** Those triggers to which something is connected. Throws where they do not all start the same. */
function thatStartOneWork(workflow: N8nWorkflow, candidates: readonly N8nNode[]): N8nNode[] {
  const triggers = candidates.filter((node) => targetsOf(workflow, node).length > 0);
  const [first] = triggers;
  if (!first) {
    refuse(workflow, `nothing is connected to "${candidates[0]!.name}"`, "Connect it, and export it again.");
  }
  const several = triggers.find((node) =>
    (workflow.connections[node.name]?.main ?? []).slice(1).some((list) => list?.length),
  );
  if (several) refuse(workflow, `"${several.name}" has several outputs`, SPLIT);
  const text = (node: N8nNode) =>
    targetsOf(workflow, node)
      .map((target) => `${target.index} ${target.node}`)
      .sort()
      .join("\n");
  const other = triggers.find((node) => text(node) !== text(first));
  if (other) refuse(workflow, `"${first.name}" and "${other.name}" start different work`, SPLIT);
  return triggers;
}

const SPLIT = "Split it into one workflow for each: then each has its own lock, schedule and history.";

/** The trigger whose name stands in expressions or code; null where none is. */
function referredTo(workflow: N8nWorkflow, triggers: readonly N8nNode[]): N8nNode | null {
  const named = triggers.filter(({ name }) => isReferredTo(workflow, name));
  if (named.length > 1) {
    const names = named.map(({ name }) => `"${name}"`).join(" and ");
    const reason = `expressions refer to ${names}, of which each run knows one only`;
    refuse(workflow, reason, "Split it, or refer to $json instead.");
  }
  return named[0] ?? null;
}

/** Where a run begins: with what stands for the trigger, or with what the trigger led to. */
function entryTargets(
  workflow: N8nWorkflow,
  triggers: readonly N8nNode[],
  referred: N8nNode | null,
): N8nConnections[string] {
  return referred ? one(referred.name) : { main: [targetsOf(workflow, triggers[0]!)] };
}

/** n8n keeps what a trigger has seen, and some addresses, under its name. */
function refuseRenaming(workflow: N8nWorkflow, node: N8nNode): void {
  const kind = triggerKind(node);
  if (kind !== "event" && (kind !== "webhook" || typeof node.webhookId === "string")) return;
  const reason = `expressions refer to "${node.name}", which cannot have another name: n8n keeps its state or address under it`;
  refuse(workflow, reason, "Refer to $json instead, or put a Set node behind the trigger and refer to that.");
}

/** Whether the name stands in an expression or in code, quoted in whatever way. */
function isReferredTo(workflow: N8nWorkflow, name: string): boolean {
  const forms = [name, JSON.stringify(name).slice(1, -1), name.replaceAll("'", "\\'")];
  const isCode = (text: string) => text.includes("$") || text.includes("_(");
  return workflow.nodes.some(
    (node) =>
      !isNote(node) &&
      [...textsIn(node.parameters)].some((text) => isCode(text) && forms.some((form) => text.includes(form))),
  );
}

function startOf(
  workflow: N8nWorkflow,
  { name }: N8nNode,
  { shim, disabled }: { shim: boolean; disabled: boolean },
): Start {
  if (!shim) return { name, clock: name, disabled };
  const taken = new Set(workflow.nodes.map((node) => node.name));
  let clock = `${name} (trigger)`;
  for (let i = 2; taken.has(clock); i++) clock = `${name} (trigger ${i})`;
  return { name, clock, disabled };
}

/** Seconds after which n8n stops a run; null where it does not. */
export function executionTimeout(workflow: N8nWorkflow): number | null {
  const seconds = Number(workflow.settings?.executionTimeout ?? -1);
  return Number.isFinite(seconds) && seconds > 0 ? Math.ceil(seconds) : null;
}

/** A minute more than a run can take; `otherwise` where nobody knows. */
function timeoutSeconds(workflow: N8nWorkflow, otherwise: number): number {
  const timeout = executionTimeout(workflow);
  return timeout === null ? otherwise : timeout + 60;
}

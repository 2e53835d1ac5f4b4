/** Owns the inventory of workflows before they leave n8n: what starts them, what they call, where they will meet. Pure. */
import { busiestMinute, type Clock, collisions, firings, isTimeZone } from "./firings.ts";
import {
  type AiUse,
  aiUses,
  databaseNodes,
  isDisabled,
  isNote,
  type TriggerKind,
  triggerKind,
} from "./kinds.ts";
import { type Phase, readMark } from "./mark.ts";
import { type NodeSchedule, schedulesOf } from "./schedules.ts";
import { obstacleTo, workflowTypeOf } from "./transform.ts";
import { edges, type N8nWorkflow, structureProblems } from "./workflow.ts";

/** What n8n itself takes where nothing is set. */
export const N8N_TIME_ZONE = "America/New_York";
const WEEK_MS = 7 * 86_400_000;
const MOST_COLLISIONS = 50;

/** What can be done in phase final can be done in basic. */
const INSPECTED = ["mutex", "basic", "gateway"] as const;
type InspectedPhase = (typeof INSPECTED)[number];

export interface WorkflowReport {
  name: string;
  id: string | null;
  workflowType: string;
  active: boolean | null;
  transformed: Phase | null;
  triggers: { node: string; kind: TriggerKind; disabled: boolean }[];
  timeZone: string;
  schedules: NodeSchedule[];
  aiNodes: AiUse[];
  databaseNodes: string[];
  credentials: { type: string; id: string | null; name: string | null; nodes: string[] }[];
  terminalNodes: string[];
  errorWorkflow: string | null;
  executionTimeoutSeconds: number | null;
  problems: string[];
  /** By phase: null where it can be done, else why not. */
  phases: Record<InspectedPhase, string | null>;
}

export interface CollisionReport {
  fromMs: number;
  toMs: number;
  collisions: ReturnType<typeof collisions>;
  /** How many were found; the list is bounded. */
  found: number;
  busiestMinute: ReturnType<typeof busiestMinute>;
  /** Schedules that may meet any of the others: nobody knows their minute beforehand. */
  floating: { workflow: string; node: string; rule: string; uncertain: string }[];
}

export function inspectWorkflow(workflow: N8nWorkflow, instanceTimeZone: string): WorkflowReport {
  const { name, settings } = workflow;
  const set = settings?.timezone;
  const own = typeof set === "string" && set !== "DEFAULT" && set !== "" ? set : null;
  const known = own !== null && isTimeZone(own);
  const timeout = Number(settings?.executionTimeout);
  const error = settings?.errorWorkflow;
  const phase = phaseOf(workflow);
  return {
    name,
    id: typeof workflow.id === "string" || typeof workflow.id === "number" ? String(workflow.id) : null,
    workflowType: workflowTypeOf(name),
    active: typeof workflow.active === "boolean" ? workflow.active : null,
    transformed: phase,
    triggers: workflow.nodes.flatMap((node) => {
      const kind = triggerKind(node);
      return kind === null ? [] : [{ node: node.name, kind, disabled: isDisabled(node) }];
    }),
    timeZone: known ? own : instanceTimeZone,
    schedules: schedulesOf(workflow),
    aiNodes: aiUses(workflow),
    databaseNodes: databaseNodes(workflow),
    credentials: credentialsOf(workflow),
    terminalNodes: terminalNodes(workflow),
    errorWorkflow: typeof error === "string" && error !== "" && error !== "DEFAULT" ? error : null,
    executionTimeoutSeconds: Number.isFinite(timeout) && timeout > 0 ? timeout : null,
    problems: [
      ...structureProblems(workflow),
      ...(own !== null && !known ? [`its time zone "${own}" is none; ${instanceTimeZone} is taken`] : []),
    ],
    phases: Object.fromEntries(
      INSPECTED.map((each) => [each, obstacleTo(workflow, each)]),
    ) as WorkflowReport["phases"],
  };
}

function phaseOf(workflow: N8nWorkflow): Phase | null {
  try {
    return readMark(workflow)?.settings.phase ?? null;
  } catch {
    return null;
  }
}

/** Credentials in use by kind and name; an export holds no secret of theirs, and none is looked for. */
function credentialsOf(workflow: N8nWorkflow): WorkflowReport["credentials"] {
  const found = new Map<string, WorkflowReport["credentials"][number]>();
  for (const node of workflow.nodes) {
    for (const [type, value] of Object.entries(node.credentials ?? {})) {
      const { id, name } = (typeof value === "object" && value !== null ? value : { name: value }) as Record<
        string,
        unknown
      >;
      const key = JSON.stringify([type, id, name]);
      const entry = found.get(key) ?? {
        type,
        id: id === undefined || id === null ? null : String(id),
        name: typeof name === "string" ? name : null,
        nodes: [],
      };
      entry.nodes.push(node.name);
      found.set(key, entry);
    }
  }
  return [...found.values()];
}

/** Nodes of the main flow from which nothing leads on. */
function terminalNodes(workflow: N8nWorkflow): string[] {
  const wires = edges(workflow.connections);
  const leads = new Set(wires.map(({ from }) => from));
  const reached = new Set(wires.filter(({ toKind }) => toKind === "main").map(({ to }) => to));
  return workflow.nodes
    .filter((node) => !isNote(node) && reached.has(node.name) && !leads.has(node.name))
    .map((node) => node.name);
}

/** Where the schedules of these workflows meet in the week from `fromMs` on. */
export function expectCollisions(reports: readonly WorkflowReport[], fromMs: number): CollisionReport {
  const toMs = fromMs + WEEK_MS;
  const running = reports.map((report) => ({
    report,
    rules: report.schedules
      .filter(({ disabled }) => !disabled)
      .flatMap(({ node, rules }) => rules.map((rule) => ({ node, rule }))),
  }));
  const clocks = running.map(({ report, rules }, i): Clock => {
    const fired = new Map<number, number>();
    for (const { rule } of rules) {
      // A day that nobody knows is taken for every day; a minute that nobody knows cannot be.
      if (rule.floating) continue;
      for (const [atMs, times] of firings(rule, report.timeZone, fromMs, toMs)) {
        fired.set(atMs, (fired.get(atMs) ?? 0) + times);
      }
    }
    return { name: clockName(reports, i), firings: fired, aiCalls: report.aiNodes.length };
  });
  const found = collisions(clocks);
  return {
    fromMs,
    toMs,
    collisions: found.slice(0, MOST_COLLISIONS),
    found: found.length,
    busiestMinute: busiestMinute(clocks),
    floating: running.flatMap(({ report, rules }) =>
      rules
        .filter(({ rule }) => rule.uncertain !== null)
        .map(({ node, rule }) => ({
          workflow: report.name,
          node,
          rule: rule.text,
          uncertain: rule.uncertain!,
        })),
    ),
  };
}

/** Two workflows may have one name. */
function clockName(reports: readonly WorkflowReport[], i: number): string {
  const { name, id } = reports[i]!;
  return reports.filter((other) => other.name === name).length > 1 ? `${name} (${id ?? i + 1})` : name;
}

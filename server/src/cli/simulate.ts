/** Owns `orchestrator simulate`: the same work under several policies, side by side. Never changes anything anywhere. */
import { basename } from "node:path";
import { setImmediate as breathe } from "node:timers/promises";
import {
  defaultPolicy,
  didYouMean,
  mergeDocument,
  mergePolicy,
  type Policy,
  Problem,
  validate,
  WorkflowSettings,
} from "@master-orchestrator/contract";
import type { Command } from "commander";
import type { Figures } from "#simulate/measure.ts";
import { openSimulation, type SimulationParts } from "#simulate/simulate.ts";
import { reachableLanes, workflowOf } from "#simulate/workload.ts";
import { Failure, Interrupted } from "./failure.ts";
import { readJsonFile } from "./json-file.ts";
import { type Options, type Session, type Shell, wholeNumber, withAction } from "./session.ts";
import { reportJson, reportLines, type Simulated } from "./simulate-report.ts";
import { addSourceOptions, findSource, type Source } from "./simulate-source.ts";
import { plain } from "./text.ts";

/** Registers the command. */
export function addSimulate(program: Command, shell: Shell): void {
  const command = program
    .command("simulate")
    .description("what if: the same work under several policies, in virtual time, side by side");
  addSourceOptions(command)
    .option("--policy <file>", "a policy to compare; the file may hold only what changes", collect, [])
    .option("--workflows <file>", "settings by workflow type; the file may hold only what changes")
    .option("--tasks-at-once <n>", "tasks of a batch that a sub-workflow works on at once", "3")
    .addHelpText("after", HELP);
  withAction(command, shell, compare);
}

const HELP = `
The first column is the policy to compare with: the default one, with --history the one in force. Nothing is
sent anywhere; only --history asks a running service, and only reads. docs/simulate.md has an example.`;

/** Moments of virtual time between two looks at Ctrl-C. */
const MOMENTS = 2_000;

function collect(value: string, before: string[]): string[] {
  return [...before, value];
}

interface Candidate {
  name: string;
  policy: Policy;
}

async function compare(session: Session, _args: string[], options: Options): Promise<undefined> {
  const tasksAtOnce = wholeNumber("--tasks-at-once", String(options.tasksAtOnce), 1, 1000);
  // Documents first: a wrong one is known before a long history is read.
  const files = options.policy as string[];
  const patches = await Promise.all(files.map((file) => readDocument(session, file, "policy")));
  if (files.length > 0) candidatesOf({ name: "", policy: defaultPolicy() }, files, patches);
  const changes =
    options.workflows === undefined
      ? {}
      : await readDocument(session, String(options.workflows), "workflows");
  const source = await findSource(session, options, tasksAtOnce);
  const workflows = workflowsOf(source, changes, String(options.workflows));
  const candidates = candidatesOf(source.base, files, patches);
  remarkStrangers(session, source, candidates, { changes, workflows });
  const columns: Simulated[] = [];
  for (const candidate of candidates) {
    const parts = { workload: source.workload, policy: candidate.policy, workflows, tasksAtOnce };
    columns.push({ ...candidate, figures: await simulated(session, parts) });
  }
  session.show(reportJson(source, columns), () => {
    session.screen.line(source.headline);
    for (const line of reportLines(columns)) session.screen.line(line);
  });
}

/** A document as such, or as `… show --json` prints it. */
async function readDocument(
  session: Session,
  file: string,
  member: string,
): Promise<Record<string, unknown>> {
  const document = await readJsonFile(file, session.terminal);
  const inner = document[member];
  return (typeof inner === "object" && inner !== null ? inner : document) as Record<string, unknown>;
}

function candidatesOf(
  base: Candidate,
  files: readonly string[],
  patches: readonly Record<string, unknown>[],
): Candidate[] {
  const names = files.map((file) => basename(file).replace(/\.json$/i, ""));
  const changed = patches.map((patch, i) => {
    const file = files[i] as string;
    const short = names[i] as string;
    const name = names.indexOf(short) === names.lastIndexOf(short) ? short : file;
    return { name: plain(name), policy: naming(file, () => mergePolicy(base.policy, patch)) };
  });
  return [base, ...changed];
}

/** Those that have tasks, a schedule, or follow one that is here. */
function workflowsOf(
  { types: had, settings }: Source,
  changes: Record<string, unknown>,
  file: string,
): SimulationParts["workflows"] {
  const parsed = (type: string) => {
    const merge = () =>
      validate(WorkflowSettings, mergeDocument(settings[type] ?? {}, changes[type] ?? {}), `/${type}`);
    return naming(file, merge);
  };
  const named = Object.keys({ ...settings, ...changes }).filter((type) => parsed(type).schedule);
  const types = new Set([...had, ...named]);
  for (const type of types) for (const next of parsed(type).next ?? []) types.add(next.workflow_type);
  return Object.fromEntries([...types].sort().map((type) => [type, workflowOf(type, parsed(type))]));
}

/** The file's name in front of what is wrong with its content. */
function naming<T>(file: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const errors = (error.details.errors ?? []) as { path: string; message: string }[];
    const wrong = errors.map(({ path, message }) => `${path}: ${message}`).join("; ");
    throw new Failure(`${file}: ${wrong || error.message}`, "GET /openapi.json has the schema");
  }
}

/** A lane or workflow that has no tasks is most likely misspelt. */
function remarkStrangers(
  session: Session,
  { workload, base }: Source,
  candidates: readonly Candidate[],
  { changes, workflows }: { changes: Record<string, unknown>; workflows: SimulationParts["workflows"] },
): void {
  const lanes = reachableLanes(workload, workflows);
  const types = Object.keys(workflows);
  const remark = (where: string, what: string, known: readonly string[]) => {
    const meant = didYouMean(what, known);
    const advice = meant ? `did you mean "${meant}"?` : `there are: ${known.join(", ")}`;
    session.screen.remark(plain(`${where}: no task is of ${what}; ${advice}`));
  };
  for (const { name, policy } of candidates) {
    for (const lane of Object.keys(policy.lanes)) {
      if (!lanes.includes(lane) && !(lane in base.policy.lanes)) remark(name, lane, lanes);
    }
  }
  for (const type of Object.keys(changes)) if (!types.includes(type)) remark("--workflows", type, types);
}

async function simulated({ terminal }: Session, parts: SimulationParts): Promise<Figures> {
  const simulation = openSimulation(parts);
  while (simulation.goOn(MOMENTS)) {
    await breathe();
    if (terminal.interrupt.aborted) throw new Interrupted("interrupted");
  }
  return simulation.figures();
}

/** Owns `orchestrator n8n …`: inspecting, transforming and rolling back exported workflows. Knows no node of n8n. */
import { randomUUID } from "node:crypto";
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { buffer } from "node:stream/consumers";
import { LOCK_NAME, Problem, WorkflowType } from "@master-orchestrator/contract";
import type { Command } from "commander";
import { isTimeZone } from "#migrate/n8n/firings.ts";
import { expectCollisions, inspectWorkflow, N8N_TIME_ZONE } from "#migrate/n8n/inspect.ts";
import { PHASES } from "#migrate/n8n/mark.ts";
import { rollback, transform, type Wishes } from "#migrate/n8n/transform.ts";
import { readExport } from "#migrate/n8n/workflow.ts";
import { checkedUrl } from "./connection.ts";
import { Failure, oneOf, UsageError } from "./failure.ts";
import { addGroup } from "./list.ts";
import { findLive } from "./n8n-live.ts";
import { type FileReport, reportJson, showReport } from "./n8n-report.ts";
import { type Options, type Session, type Shell, timeOption, wholeNumber, withAction } from "./session.ts";
import type { Terminal } from "./terminal.ts";
import { plain } from "./text.ts";

/** Registers the group. */
export function addN8n(program: Command, shell: Shell): void {
  const group = addGroup(program, "n8n", "leave n8n step by step: inspect, transform, roll back");
  const inspectCommand = withLive(group.command("inspect"))
    .description("what starts, calls and shares what in exported workflows, and where they will meet")
    .argument("[files...]", "exported workflows (- is standard input)")
    .option("--timezone <zone>", "of the n8n (GENERIC_TIMEZONE; default America/New_York)")
    .option("--from <time>", "the week to look at begins here (default: today, UTC)");
  withAction(inspectCommand, shell, inspect);
  const transformCommand = withLive(group.command("transform"))
    .description("write the workflow of a phase; the original is kept in it")
    .argument("[file]", "one exported workflow (- is standard input)")
    .option("--phase <phase>", PHASES.join(", "), "basic")
    .option("--out <file>", "where to write it (default: standard output)")
    .option("--workflow-type <type>", "its name here (default: made of the workflow's name)")
    .option("--lock <name>", "phase mutex: the lock (default: the workflow type); the same one excludes")
    .option("--wait <seconds>", "phase mutex: how long a run waits for the lock (default 240)")
    .option("--orchestrator-url <url>", "as n8n reaches it (ORCHESTRATOR_URL; default http://127.0.0.1:8080)")
    .addHelpText("after", HELP);
  withAction(transformCommand, shell, transformOne);
  const rollbackCommand = withLive(group.command("rollback"))
    .description("restore the original of a transformed workflow, byte for byte")
    .argument("[file]", "the transformed workflow (- is standard input)")
    .option("--out <file>", "where to write it (default: standard output)")
    .option("--force", "also where it was edited since; the edits are lost");
  withAction(rollbackCommand, shell, rollbackOne);
}

const HELP = `
mutex    every run goes through a lock of the orchestrator, by the workflow's own schedule
basic    the orchestrator starts it, by a webhook, and is told how it ended
gateway  the same, and its models are called through the orchestrator's gateway
final    the same, and the old triggers are gone

No key is written into a workflow: what has to be created in n8n is told on standard error. docs/n8n.md has more.`;

function withLive(command: Command): Command {
  return command
    .option("--url <url>", "a live n8n instead of a file (N8N_URL)")
    .option("--api-key <key>", "its API key (N8N_API_KEY)")
    .option("--workflow <id>", "the workflow of the live n8n");
}

interface Source {
  name: string;
  bytes: Uint8Array;
  /** Puts the result in the place of what was read; null for a file. */
  replace: ((bytes: Uint8Array) => Promise<boolean>) | null;
}

/** The one workflow that a command is about. */
async function sourceOf({ terminal }: Session, args: readonly string[], options: Options): Promise<Source> {
  const [file] = args;
  const live = findLive(terminal, options, file !== undefined);
  if (!live) {
    if (file === undefined) throw new UsageError("which file?", WHICH);
    return { name: file, bytes: await readBytes(file, terminal), replace: null };
  }
  if (options.workflow === undefined) throw new UsageError("which workflow?", "give its id by --workflow");
  const seen = await live.read(String(options.workflow));
  return { name: `workflow ${seen.id}`, bytes: seen.bytes, replace: (bytes) => live.replace(seen, bytes) };
}

const WHICH = "give an exported workflow, - for standard input, or a live n8n by --url and --workflow";

async function readBytes(name: string, terminal: Terminal): Promise<Uint8Array> {
  try {
    return name === "-" ? await buffer(terminal.stdin) : await readFile(resolve(terminal.cwd, name));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const reasons: Record<string, string> = { ENOENT: "there is no such file", EISDIR: "it is a folder" };
    throw new Failure(`cannot read ${name}: ${reasons[code ?? ""] ?? message}`);
  }
}

/** What a file says, with its name in whatever is wrong with it. */
function about<T>(name: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const message = `${name}: ${error.message.replace("the body", "the file")}`;
    throw new Problem(error.code, message, error.hint, error.details);
  }
}

async function inspect(session: Session, files: string[], options: Options): Promise<undefined> {
  const { terminal } = session;
  const timeZone = String(options.timezone ?? (terminal.env.GENERIC_TIMEZONE?.trim() || N8N_TIME_ZONE));
  if (!isTimeZone(timeZone))
    throw new UsageError(`"${timeZone}" is no time zone`, "write it like Europe/Berlin");
  const today = new Date(terminal.now()).toISOString().slice(0, 10);
  const from = Date.parse(timeOption("--from", String(options.from ?? today), terminal.now()));
  const reports: FileReport[] = [];
  for (const { name, bytes } of await sourcesOf(session, files, options)) {
    const { workflows } = about(name, () => readExport(bytes));
    reports.push(...workflows.map((workflow) => ({ file: name, ...inspectWorkflow(workflow, timeZone) })));
  }
  const expected = expectCollisions(reports, from);
  session.show(reportJson(reports, expected), () => showReport(session.screen, reports, expected));
  return undefined;
}

/** All that is to be looked at: files, or every workflow of a live n8n, or one of them. */
async function sourcesOf(
  session: Session,
  files: string[],
  options: Options,
): Promise<Omit<Source, "replace">[]> {
  const live = findLive(session.terminal, options, files.length > 0);
  if (!live) {
    if (files.length === 0) throw new UsageError("which file?", WHICH);
    return await Promise.all(
      files.map(async (name) => ({ name, bytes: await readBytes(name, session.terminal) })),
    );
  }
  const id = options.workflow as string | undefined;
  const found = id === undefined ? await live.readAll() : [await live.read(id)];
  return found.map((workflow) => ({ name: `workflow ${workflow.id}`, bytes: workflow.bytes }));
}

async function transformOne(session: Session, args: string[], options: Options): Promise<undefined> {
  const wishes = wishesOf(session.terminal, options);
  const source = await sourceOf(session, args, options);
  const made = about(source.name, () => transform(source.bytes, wishes));
  // Before it is done: what has to be there first is told among them.
  for (const note of made.notes) session.screen.remark(`- ${plain(note)}`);
  if (source.replace && !made.unchanged) await source.replace(made.bytes);
  if (!source.replace || options.out !== undefined) await writeOut(session, options, made.bytes);
  const { phase, workflowType } = made.settings;
  const what = made.unchanged ? "is of this phase already: left as it is" : "is transformed";
  session.screen.remark(
    `"${plain(made.workflowName)}" ${what} (phase ${phase}, workflow type ${workflowType})`,
  );
  return undefined;
}

function wishesOf(terminal: Terminal, options: Options): Wishes {
  const { workflowType, lock, wait, orchestratorUrl } = options as Record<string, string | undefined>;
  if (workflowType !== undefined && !WorkflowType.safeParse(workflowType).success) {
    throw new UsageError(
      `--workflow-type is "${workflowType}"`,
      "lower case letters, digits and _, starting with a letter",
    );
  }
  if (lock !== undefined && !LOCK_NAME.test(lock)) {
    throw new UsageError(`--lock is "${lock}"`, "letters, digits and _ . : -, at most 200");
  }
  const url = orchestratorUrl ?? (terminal.env.ORCHESTRATOR_URL?.trim() || undefined);
  const source = orchestratorUrl === undefined ? "ORCHESTRATOR_URL" : "--orchestrator-url";
  return {
    phase: oneOf("phase", PHASES, String(options.phase)),
    ...(workflowType === undefined ? {} : { workflowType }),
    ...(lock === undefined ? {} : { lock }),
    ...(wait === undefined ? {} : { waitSeconds: wholeNumber("--wait", wait, 0, 300) }),
    ...(url === undefined ? {} : { orchestratorUrl: checkedUrl(url, source) }),
  };
}

async function rollbackOne(session: Session, args: string[], options: Options): Promise<undefined> {
  const source = await sourceOf(session, args, options);
  const back = about(source.name, () => rollback(source.bytes, options.force === true));
  const same = source.replace ? await source.replace(back.bytes) : true;
  if (!source.replace || options.out !== undefined) await writeOut(session, options, back.bytes);
  for (const edit of back.edits) session.screen.remark(`- lost: ${plain(edit)}`);
  const how = same ? ", byte for byte" : "; n8n keeps it in other words: compare it with its history";
  session.screen.remark(`"${plain(back.workflowName)}" is the original again${how}`);
  return undefined;
}

/** To the file as a whole or not at all; without one to standard output, and nothing else goes there. */
async function writeOut({ terminal }: Session, { out }: Options, bytes: Uint8Array): Promise<void> {
  if (out === undefined) {
    terminal.stdout.write(bytes);
    return;
  }
  const path = resolve(terminal.cwd, String(out));
  const draft = `${path}.${randomUUID()}.part`;
  try {
    await writeFile(draft, bytes, { flag: "wx" });
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw new Failure(`cannot write ${out}: ${(error as Error).message}`);
  }
}

/** Owns `orchestrator enqueue`: from a file to the queue, and on to the results with --wait. Never parses a format. */
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { MAX_TASKS_PER_REQUEST } from "@master-orchestrator/contract";
import type { Command } from "commander";
import { Interrupted, UsageError } from "./failure.ts";
import { type Input, openInput } from "./input.ts";
import { openProgress, type Progress } from "./progress.ts";
import { type Listener, Lost, openSender, type Ready, retryRemark } from "./sender.ts";
import { type Options, type Session, type Shell, wholeNumber, withAction } from "./session.ts";
import { type Entry, MAX_BATCH_BYTES, readTasks } from "./task-file.ts";
import { counted, printableJson } from "./text.ts";
import { contentKey, type TaskDefaults } from "./topic.ts";
import type { Awaited } from "./wait.ts";
import { waitAndReport } from "./wait-report.ts";

/** Registers the command. */
export function addEnqueue(program: Command, shell: Shell): void {
  const command = program
    .command("enqueue")
    .description("put the tasks of a file into the queue (CSV, JSON or NDJSON; - is standard input)")
    .argument("<file>", "the file, or -")
    .option("--workflow <type>", "workflow of tasks that name none", "content_pipeline")
    .option("--content-type <type>", "content type of tasks that name none")
    .option("--priority <0-100>", "priority of tasks that name none")
    .option("--format <format>", "csv, json or ndjson (default: by the file's ending or its first bytes)")
    .option("--batch <n>", "tasks in one request, at most 10000", "500")
    .option("--no-dedupe", "enqueue again what was enqueued before, where a task has no idempotency_key")
    .option("--dry-run", "check every line, send nothing")
    .option("--wait", "wait until every task has ended; exit 1 if one is dead-lettered")
    .option("--timeout <seconds>", "how long to wait at most", "600")
    .addHelpText("after", HELP);
  withAction(command, shell, enqueue);
}

const HELP = `
CSV columns: title, brief, content_type, priority, keywords (a;b;c), source_title, source_text, source_url,
idempotency_key, not_before, workflow_type; others go into the payload. Running the same command twice
enqueues nothing twice. Bad lines are named on stderr, and the rest goes in.`;

interface Plan {
  defaults: TaskDefaults;
  batchSize: number;
  dryRun: boolean;
  wait: boolean;
  timeoutMs: number;
  dedupe: boolean;
}

/** What came of the lines so far. */
interface Tally {
  enqueued: number;
  duplicates: number;
  bad: number;
  awaited: Awaited[];
}

async function enqueue(session: Session, [file]: string[], options: Options): Promise<number> {
  const plan = planOf(options);
  const input = await openInput(file!, options.format as string | undefined, session.terminal);
  const tally: Tally = { enqueued: 0, duplicates: 0, bad: 0, awaited: [] };
  const list = session.json && !plan.dryRun ? openJsonList(session) : null;
  session.answered = list !== null;
  const progress = openProgress(session.terminal, input.size);
  let failure: unknown = null;
  try {
    await sendAll(session, plan, input, tally, progress, list);
  } catch (error) {
    failure = error;
  } finally {
    progress.stop();
    list?.close();
  }
  summarise(session, plan, tally);
  if (failure !== null) throw howFar(failure, plan);
  const waited = plan.wait ? await waitAndReport(session, tally.awaited, plan.timeoutMs) : true;
  return tally.bad === 0 && waited ? 0 : 1;
}

function planOf(options: Options): Plan {
  const dedupe = options.dedupe !== false;
  const run = randomUUID();
  let number = 0;
  const plan: Plan = {
    defaults: {
      workflowType: String(options.workflow),
      contentType: options.contentType as string | undefined,
      priority:
        options.priority === undefined
          ? undefined
          : wholeNumber("--priority", String(options.priority), 0, 100),
      // A key even without dedupe: it makes a request safe to repeat within this run.
      keyFor: dedupe ? contentKey : () => `cli-${run}-${++number}`,
    },
    batchSize: wholeNumber("--batch", String(options.batch), 1, MAX_TASKS_PER_REQUEST),
    dryRun: options.dryRun === true,
    wait: options.wait === true,
    timeoutMs: wholeNumber("--timeout", String(options.timeout), 1, 31_536_000) * 1000,
    dedupe,
  };
  if (plan.dryRun && plan.wait)
    throw new UsageError("--dry-run sends nothing, so there is nothing to --wait for");
  return plan;
}

async function sendAll(
  session: Session,
  plan: Plan,
  input: Input,
  tally: Tally,
  progress: Progress,
  list: JsonList | null,
): Promise<void> {
  const { terminal } = session;
  const listener = listenerFor(plan, tally, progress, list);
  const send = plan.dryRun ? countOnly(tally) : openSender(session.api, terminal, listener);
  for await (const step of batches(readTasks(input, plan.defaults, progress.remark), plan.batchSize)) {
    if (terminal.interrupt.aborted) throw new Interrupted("interrupted");
    if ("problem" in step) {
      tally.bad++;
      progress.remark(`${step.place}: ${step.problem}`);
      continue;
    }
    await send(step.batch);
    progress.update(input.read(), headline(plan, tally));
    if (terminal.stdout.writableNeedDrain) await once(terminal.stdout, "drain");
  }
}

/** Gathers good lines into batches that one request can carry; bad lines pass through at once. */
async function* batches(
  entries: AsyncGenerator<Entry>,
  size: number,
): AsyncGenerator<{ batch: Ready[] } | { place: string; problem: string }> {
  let batch: Ready[] = [];
  let bytes = 0;
  for await (const entry of entries) {
    if ("problem" in entry) {
      yield entry;
      continue;
    }
    const more = Buffer.byteLength(entry.ready.json) + 1;
    if (batch.length === size || (batch.length > 0 && bytes + more > MAX_BATCH_BYTES)) {
      yield { batch };
      batch = [];
      bytes = 0;
    }
    batch.push(entry.ready);
    bytes += more;
  }
  if (batch.length > 0) yield { batch };
}

function listenerFor(plan: Plan, tally: Tally, progress: Progress, list: JsonList | null): Listener {
  return {
    accepted({ place }, answer) {
      if (answer.duplicate) tally.duplicates++;
      else tally.enqueued++;
      if (plan.wait) tally.awaited.push({ taskId: answer.task_id, place });
      list?.add(answer);
    },
    refused({ place }, reason) {
      tally.bad++;
      progress.remark(`${place}: ${reason}`);
    },
    retrying: (reason, waitMs) => progress.remark(retryRemark(reason, waitMs)),
  };
}

function countOnly(tally: Tally): (batch: Ready[]) => Promise<void> {
  return async (batch) => {
    tally.enqueued += batch.length;
  };
}

function headline(plan: Plan, { enqueued, duplicates, bad }: Tally): string {
  const badLines = counted(bad, "bad line");
  if (plan.dryRun) return `${counted(enqueued, "good task")}, ${badLines}; nothing was sent`;
  return `${enqueued.toLocaleString("en-US")} enqueued, ${counted(duplicates, "duplicate")}, ${badLines}`;
}

function summarise(session: Session, plan: Plan, tally: Tally): void {
  const { screen, json } = session;
  if (json && plan.dryRun) screen.json({ dry_run: true, good: tally.enqueued, bad: tally.bad });
  else if (json) screen.remark(headline(plan, tally));
  else screen.line(headline(plan, tally));
}

/** Says of a stop on the way what is in, what is uncertain, and what to do. */
function howFar(error: unknown, plan: Plan): unknown {
  const again = plan.dedupe
    ? "run the same command again: what is in already is not enqueued twice"
    : "with --no-dedupe the same command would enqueue everything again; cut off what is in";
  if (error instanceof Lost) {
    const part = error.first === error.last ? error.first : `${error.first} to ${error.last}`;
    const where = `Everything before ${error.first} is settled; ${part} may be in or not; nothing behind was sent.`;
    return Object.assign(error, { message: `stopped: ${error.message}. ${where}`, hint: again });
  }
  if (error instanceof Interrupted) {
    return Object.assign(error, {
      message: "interrupted; the counts above are in, one more batch may be in",
      hint: again,
    });
  }
  return error;
}

/** `{"tasks": […]}` as one answer, however many requests it took, written as it comes. */
interface JsonList {
  add(value: unknown): void;
  close(): void;
}

function openJsonList({ terminal: { stdout } }: Session): JsonList {
  let opened = false;
  return {
    add(value) {
      stdout.write(`${opened ? ",\n" : '{"tasks":[\n'}${printableJson(value).replace(/\n\s*/g, " ")}`);
      opened = true;
    },
    close: () => void stdout.write(opened ? "\n]}\n" : '{"tasks":[]}\n'),
  };
}

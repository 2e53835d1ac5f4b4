/** Owns what is read of a migration: history, runs, shadow, the original, the report. Changes nothing. */
import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import {
  type MigrationEvent,
  type MigrationRun,
  SHADOW_DIFFERENCES,
  type ShadowRun,
  type ShadowRunList,
} from "@master-orchestrator/contract";
import type { Command } from "commander";
import type { z } from "zod";
import { path } from "./api.ts";
import { Failure, oneOf } from "./failure.ts";
import { fetchList, showList, withPaging } from "./list.ts";
import { type Report, reportMarkdown, stepText } from "./migration-text.ts";
import { type Options, type Session, type Shell, wholeNumber, withAction } from "./session.ts";
import { ago, plain } from "./text.ts";

type Event = z.infer<typeof MigrationEvent>;
type Run = z.infer<typeof MigrationRun>;

/** Adds to the group what only reads. */
export function addMigrationRecords(group: Command, shell: Shell): void {
  const record = (name: string, description: string) =>
    withPaging(group.command(name).description(description).argument("<workflow-type>"));
  withAction(record("history", "what was done and why, newest first"), shell, history);
  withAction(record("runs", "each moment of the schedule: who ran it, and what became of it"), shell, runs);
  withAction(
    record("shadow", "what the orchestrator would have done beside what n8n did").option(
      "--difference <difference>",
      SHADOW_DIFFERENCES.join(", "),
    ),
    shell,
    shadow,
  );
  withAction(
    group
      .command("original")
      .description("the workflow as it was, byte for byte")
      .argument("<workflow-type>")
      .option("--version <n>", "an earlier one (default: the newest)")
      .option("--out <file>", "write it there"),
    shell,
    async (session, [type], options) => {
      const version =
        options.version === undefined
          ? undefined
          : wholeNumber("--version", String(options.version), 1, 1_000_000);
      const address = path`/api/v1/migrations/${type!}/original`;
      const text = await session.api<string>("GET", address, { query: { version }, asText: true });
      await write(session, text, options.out);
      return undefined;
    },
  );
  withAction(
    group
      .command("report")
      .description("the targets against what was measured, and every workflow by its gates")
      .option("--days <n>", "how far back", "7")
      .option("--format <format>", "markdown or json", "markdown")
      .option("--out <file>", "write it there"),
    shell,
    report,
  );
}

async function report(session: Session, _args: string[], options: Options): Promise<undefined> {
  const days = wholeNumber("--days", String(options.days), 1, 30);
  const format = oneOf("format", ["markdown", "json"], String(options.format));
  const answer = await session.api<Report>("GET", "/api/v1/migrations/report", { query: { days } });
  const asJson = format === "json" || session.json;
  const text = asJson ? `${JSON.stringify(answer, null, 2)}\n` : reportMarkdown(answer);
  await write(session, text, options.out);
  return undefined;
}

/** To a file, or as it is to standard output. */
async function write(session: Session, text: string, out: unknown): Promise<void> {
  session.answered = true;
  if (out === undefined) {
    session.terminal.stdout.write(text);
    return;
  }
  const file = resolve(session.terminal.cwd, String(out));
  try {
    await writeFile(file, text);
  } catch (error) {
    throw new Failure(
      `${String(out)} cannot be written: ${(error as Error).message}`,
      "Name a file in a folder that is there.",
    );
  }
  session.screen.remark(`written to ${String(out)}`);
}

async function history(session: Session, [type]: string[], options: Options): Promise<undefined> {
  const now = session.terminal.now();
  const address = path`/api/v1/migrations/${type!}/history`;
  const events = await fetchList<Event>(session, address, "events", {}, options);
  const layout = [
    { title: "WHEN", value: (each: Event) => ago(each.at, now) },
    { title: "EVENT", value: (each: Event) => each.event },
    { title: "STEP", value: (each: Event) => stepText(each) },
    { title: "BY", value: (each: Event) => each.actor },
    { title: "WHY", value: (each: Event) => each.cause, shrinks: true },
  ];
  showList(session, events, layout, "nothing yet");
  return undefined;
}

async function runs(session: Session, [type]: string[], options: Options): Promise<undefined> {
  const address = path`/api/v1/migrations/${type!}/runs`;
  const found = await fetchList<Run>(session, address, "runs", {}, options);
  const layout = [
    { title: "SLOT", value: (each: Run) => each.slot },
    { title: "BY", value: (each: Run) => each.by },
    { title: "WAY", value: (each: Run) => each.way },
    { title: "OUTCOME", value: (each: Run) => each.outcome },
    { title: "N8N", value: (each: Run) => each.n8n_execution_ids.join(" ") || null },
    { title: "TASK", value: (each: Run) => each.task_id },
    { title: "WHY", value: (each: Run) => each.cause, shrinks: true },
  ];
  showList(session, found, layout, "no runs yet");
  return undefined;
}

async function shadow(session: Session, [type]: string[], options: Options): Promise<undefined> {
  const difference =
    options.difference === undefined
      ? undefined
      : oneOf("difference", SHADOW_DIFFERENCES, String(options.difference));
  const address = path`/api/v1/migrations/${type!}/shadow`;
  const found = await fetchList<ShadowRun>(session, address, "shadow_runs", { difference }, options);
  const layout = [
    { title: "SLOT", value: (each: ShadowRun) => each.slot },
    { title: "N8N STARTED", value: (each: ShadowRun) => each.n8n?.started_at },
    { title: "WOULD START", value: (each: ShadowRun) => each.orchestrator?.would_start_at },
    { title: "DIFFERENCE", value: (each: ShadowRun) => each.difference },
    { title: "EXPLANATION", value: (each: ShadowRun) => each.explanation, shrinks: true },
  ];
  showList(session, found, layout, "nothing was thought through yet");
  const { summary } = found.answer as unknown as Partial<z.infer<typeof ShadowRunList>>;
  if (summary) {
    const parts = Object.entries(summary.by_difference).map(([name, number]) => `${number} ${name}`);
    session.screen.remark(plain(`${summary.runs} in all: ${parts.join(", ")}`));
  }
  return undefined;
}

/** Owns `orchestrator reports …` and `insights …`: reading them, and asking for a report or an investigation. Computes nothing. */
import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import {
  INSIGHT_KINDS,
  type Insight,
  REPORT_FORMATS,
  type Report,
  type Task,
} from "@master-orchestrator/contract";
import type { Command } from "commander";
import { path } from "./api.ts";
import { printFields, printValue } from "./details.ts";
import { Failure, oneOf } from "./failure.ts";
import { addGroup, addListing, fetchList, showList, withPaging } from "./list.ts";
import { type Options, type Session, type Shell, timeOption, withAction } from "./session.ts";
import { ago, plain, plainLines } from "./text.ts";
import { waitForTasks } from "./wait.ts";

const KINDS = ["day", "week", "month"] as const;
/** A run may stand behind others, and takes a minute at the most. */
const WAIT_MS = 15 * 60_000;

/** Registers both groups. */
export function addReports(program: Command, shell: Shell): void {
  const group = addGroup(program, "reports", "executive reports: reading them, and having one written");
  withPaging(addListing(group, shell, "list reports, newest first", list)).option(
    "--kind <kind>",
    KINDS.join(", "),
  );
  withAction(
    group
      .command("show")
      .description("print a report, or write it to a file")
      .argument("[report-id]", "latest when left out")
      .option("--format <format>", REPORT_FORMATS.join(", "), "markdown")
      .option("--out <file>", "write it there"),
    shell,
    show,
  );
  withAction(
    group
      .command("run")
      .description("have a report written, and wait for it")
      .option("--kind <kind>", KINDS.join(", "), "week")
      .option("--day <date>", "a day of the period; the last period that is over when left out"),
    shell,
    run,
  );
  withAction(
    group
      .command("investigate")
      .description("have it looked into what changed, and wait for the finding")
      .requiredOption("--from <date>", "the first day")
      .requiredOption("--to <date>", "the first day behind it")
      .option("--metric <metric>", "views, visitors, conversions, revenue_usd, cost_usd, …")
      .option("--subject <subject>", "channel:NAME, article:ID, offer:NAME, workflow:NAME")
      .option("--question <text>", "kept with the finding"),
    shell,
    investigate,
  );
  addInsights(program, shell);
}

async function list(session: Session, _args: string[], options: Options): Promise<undefined> {
  const now = session.terminal.now();
  const kind = options.kind as string | undefined;
  const query = { kind: kind === undefined ? undefined : oneOf("kind", KINDS, kind) };
  const reports = await fetchList<Report>(session, "/api/v1/content/reports", "reports", query, options);
  const layout = [
    { title: "REPORT", value: (report: Report) => report.report_id },
    { title: "KIND", value: (report: Report) => report.kind },
    { title: "FROM", value: (report: Report) => report.from },
    { title: "MADE", value: (report: Report) => ago(report.created_at, now) },
    { title: "HEADLINE", value: (report: Report) => report.headline, shrinks: true },
  ];
  showList(session, reports, layout, "no reports");
}

async function show(session: Session, [id = "latest"]: string[], options: Options): Promise<undefined> {
  const format = session.json ? "json" : oneOf("format", REPORT_FORMATS, String(options.format));
  const text = await session.api<string>("GET", path`/api/v1/content/reports/${id}`, {
    query: { format },
    asText: true,
  });
  const out = options.out as string | undefined;
  if (out !== undefined) {
    await writeFile(resolve(session.terminal.cwd, out), text).catch((error: NodeJS.ErrnoException) => {
      throw new Failure(`${out} cannot be written: ${error.code ?? error.message}`, "name another file");
    });
    session.screen.remark(`written to ${out}`);
    return;
  }
  // Titles come from users: nothing of them may move the terminal's cursor.
  session.screen.line(plainLines(text.trimEnd()));
}

async function run(session: Session, _args: string[], options: Options): Promise<number> {
  const day = options.day === undefined ? undefined : dayOption(session, "--day", options.day);
  const task = await carriedOut(session, {
    report: { kind: oneOf("kind", KINDS, String(options.kind)), day },
  });
  if (task === null) return 1;
  const { report } = task.result_data as { report: { report_id: string; headline: string } };
  session.show(task, () => {
    session.screen.line(plain(report.headline));
    session.screen.remark(
      `orchestrator reports show ${plain(report.report_id)} --format html --out report.html`,
    );
  });
  return 0;
}

async function investigate(session: Session, _args: string[], options: Options): Promise<number> {
  const { metric, subject, question } = options as Record<string, string | undefined>;
  const span = {
    from: dayOption(session, "--from", options.from),
    to: dayOption(session, "--to", options.to),
  };
  const task = await carriedOut(session, { investigate: { metric, subject, question, ...span } });
  if (task === null) return 1;
  const { finding } = task.result_data as {
    finding: { headline: string; words: string[]; confidence: string; confidence_because: string };
  };
  session.show(task, () => {
    const { screen } = session;
    screen.line(screen.paint("bold", plain(finding.headline)));
    for (const sentence of finding.words) screen.line(plain(sentence));
    screen.line(`Confidence: ${plain(finding.confidence)} (${plain(finding.confidence_because)}).`);
  });
  return 0;
}

function dayOption(session: Session, name: string, text: unknown): string {
  return timeOption(name, String(text), session.terminal.now()).slice(0, 10);
}

/** Enqueues one task and waits for its end; null, said in words, where it did not complete. */
async function carriedOut(session: Session, payload: object): Promise<Task | null> {
  const body = {
    workflow_type: "intelligence_engine",
    priority: 70,
    payload: JSON.parse(JSON.stringify(payload)),
  };
  const { tasks } = await session.api<{ tasks: { task_id: string }[] }>("POST", "/api/v1/tasks", { body });
  const taskId = tasks[0]!.task_id;
  const awaited = [{ taskId, place: "the request" }];
  const ended = await waitForTasks(awaited, WAIT_MS, session.api, session.terminal, () => {});
  if (ended.completed === 1) return await session.api<Task>("GET", path`/api/v1/tasks/${taskId}`);
  const [bad] = [...ended.deadLettered, ...ended.cancelled, ...ended.unfinished];
  throw new Failure(
    `task ${taskId} is ${bad?.status}${bad?.cause ? `: ${plain(bad.cause)}` : ""}`,
    `see: orchestrator explain ${taskId}`,
  );
}

function addInsights(program: Command, shell: Shell): void {
  const group = addGroup(program, "insights", "what was found in the numbers, the most important first");
  withPaging(addListing(group, shell, "list insights", listInsights))
    .option("--kind <kind>", INSIGHT_KINDS.join(", "))
    .option("--metric <metric>", "of one metric alone")
    .option("--all", "those that are found no more as well");
  withAction(
    group.command("show").description("one insight with its numbers").argument("<insight-id>"),
    shell,
    async (session, [id]) => {
      const insight = await session.api<Insight>("GET", path`/api/v1/content/insights/${id!}`);
      session.show(insight, () => render(session, insight));
      return undefined;
    },
  );
}

async function listInsights(session: Session, _args: string[], options: Options): Promise<undefined> {
  const kind = options.kind as string | undefined;
  const query = {
    kind: kind === undefined ? undefined : oneOf("kind", INSIGHT_KINDS, kind),
    metric: options.metric as string | undefined,
    all: options.all === true ? "true" : undefined,
  };
  const insights = await fetchList<Insight>(session, "/api/v1/content/insights", "insights", query, options);
  const layout = [
    { title: "INSIGHT", value: (each: Insight) => each.insight_id },
    { title: "KIND", value: (each: Insight) => each.kind },
    { title: "WEIGHT", value: (each: Insight) => each.importance.toFixed(2), right: true },
    { title: "HEADLINE", value: (each: Insight) => each.headline, shrinks: true },
  ];
  showList(session, insights, layout, "no insights");
}

function render({ screen }: Session, insight: Insight): void {
  screen.line(screen.paint("bold", plain(insight.headline)));
  screen.line(plain(insight.words));
  screen.line();
  printFields(screen, {
    kind: insight.kind,
    metric: plain(insight.metric),
    subject: plain(insight.subject),
    from: insight.from,
    to: insight.to,
    importance: insight.importance,
    "told by": plain(insight.told_by),
    ended: insight.ended_at,
  });
  printValue(screen, "numbers", insight.numbers);
  printValue(screen, "evidence", insight.evidence);
}

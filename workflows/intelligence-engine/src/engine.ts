/** Owns the workflow: which of its works a task asks for, its durable steps, and what it reports. Computes nothing itself. */
import {
  type BatchContext,
  defineWorkflow,
  type TaskContext,
  TaskRefused,
  type Workflow,
  type WorkflowOptions,
} from "@master-orchestrator/sdk";
import { z } from "zod";
import type { SeriesAnalysis } from "./analysis/analyse.ts";
import { analyseAll } from "./analysis/analyst.ts";
import { FOUND_KINDS, findingsOf } from "./analysis/findings.ts";
import { gather, seriesOf } from "./analysis/gather.ts";
import { daysOf, inWords, lastPeriod, type Period, periodAt } from "./days.ts";
import { type Params, ParamsSchema, type TaskInput, TaskSchema } from "./input.ts";
import { findingOf } from "./investigation/finding.ts";
import { investigate } from "./investigation/investigate.ts";
import type { Library } from "./library.ts";
import { type Narrator, narratorOf, type Provider } from "./narrative/narrator.ts";
import { composeReport } from "./report/compose.ts";
import { reportForms } from "./report/forms.ts";

export const INTELLIGENCE_ENGINE = "intelligence_engine";

/** Days of one run; what is left waits for the next. */
const MAX_DAYS_PER_RUN = 400;
const TOP_INSIGHTS = 5;

export interface IntelligenceEngineParts {
  library: Library;
  /** Which providers have a key: with one a model may tell what was computed, in its own words. */
  providers: Readonly<Record<Provider, boolean>>;
  models?: Partial<Record<Provider, string>>;
  /** Base of absolute addresses of reports; without it they are paths. */
  publicUrl?: string | undefined;
  sdk?: WorkflowOptions;
}

/** The built-in sub-workflow: roll-ups, analysis and reports; or one investigation, report or roll-up that is asked for. */
export function intelligenceEngine(parts: IntelligenceEngineParts): Workflow {
  return defineWorkflow(
    {
      type: INTELLIGENCE_ENGINE,
      input: TaskSchema,
      // One at a time: each may take a core for seconds.
      concurrency: 1,
      async preflight(context) {
        paramsOf(context);
        await parts.library.now();
      },
      run: ({ taskId, input }, context) => work({ taskId, input, context, parts }),
    },
    parts.sdk,
  );
}

function paramsOf({ params }: Pick<BatchContext, "params">): Params {
  const parsed = ParamsSchema.safeParse(params);
  if (parsed.success) return parsed.data;
  throw new TaskRefused(`the workflow's params are wrong: ${z.prettifyError(parsed.error)}`);
}

interface Job {
  taskId: string;
  input: TaskInput;
  context: TaskContext;
  parts: IntelligenceEngineParts;
}

async function work(job: Job): Promise<Record<string, unknown>> {
  const { input, context, parts } = job;
  const now = await context.step("now", () => parts.library.now());
  const today = now.slice(0, 10);
  if (input.rollup) return { rolled_up: await rollUp(job, daysOf(input.rollup.from, input.rollup.to), true) };
  if (input.investigate) {
    await rollUpStale(job);
    return await investigation(job, today);
  }
  if (input.report) {
    const { kind, day } = input.report;
    const period = day ? periodAt(kind, day) : lastPeriod(kind, today);
    if (period.from >= today) {
      throw new TaskRefused(
        `the ${kind} of ${inWords(period)} has no day that is over yet: name an earlier day`,
      );
    }
    await rollUpStale(job);
    return { report: await report(job, { period, now }) };
  }
  return await everythingDue(job, now);
}

/** What a slot of the schedule is for: what has changed is rolled up, everything is looked at, reports that are due are written. */
async function everythingDue(job: Job, now: string): Promise<Record<string, unknown>> {
  const { context, parts } = job;
  const { library } = parts;
  const today = now.slice(0, 10);
  const rolledUp = await rollUpStale(job);
  const look = await analysis(job, { to: today, from: 0.3, until: 0.75 });
  const findings = findingsOf(look.analyses, today);
  context.progress(0.75, `${findings.length} findings`);
  await library.saveInsights(findings, { taskId: job.taskId, kinds: FOUND_KINDS });
  const reports = [];
  const counted = await library.houseCountedUntil();
  for (const kind of paramsOf(context).reports) {
    const period = lastPeriod(kind, today);
    // Its last minutes are counted some seconds after it: the next slot writes it then.
    if (counted !== null && counted < period.to) continue;
    // A period before anything was known has nothing to tell.
    const known = await library.known();
    if (!known || known.first >= period.to || (await library.hasReport(kind, period.from))) continue;
    reports.push(await report(job, { period, now }));
  }
  await library.analysed();
  return {
    rolled_up: rolledUp,
    series: look.analyses.length,
    insights: findings.length,
    top: findings.slice(0, TOP_INSIGHTS).map(({ headline, importance }) => ({ headline, importance })),
    reports,
    problems: look.problems,
  };
}

interface RolledUp {
  days: string[];
  unchanged: number;
  failed: { day: string; error: string }[];
}

/** Each day is a transaction of its own; one that fails keeps no other from being done, and stays marked. */
/** What was imported since the last look counts, whoever asks. */
async function rollUpStale(job: Job): Promise<RolledUp> {
  const stale = await job.context.step("stale", () => job.parts.library.staleDays(MAX_DAYS_PER_RUN));
  return await rollUp(job, stale, false);
}

async function rollUp({ context, parts }: Job, days: readonly string[], anyway: boolean): Promise<RolledUp> {
  return await context.step("rollup", async () => {
    const outcome: RolledUp = { days: [], unchanged: 0, failed: [] };
    for (const [i, day] of days.entries()) {
      context.signal.throwIfAborted();
      context.progress((0.3 * i) / days.length, `rolling up ${day}`);
      try {
        if (await parts.library.rollUpDay(day, { anyway })) outcome.days.push(day);
        else outcome.unchanged++;
      } catch (error) {
        outcome.failed.push({ day, error: messageOf(error) });
        context.log("a day could not be rolled up", { day, error: messageOf(error) });
      }
    }
    // Nothing at all went well: the store is away, and a later attempt may find it.
    if (days.length > 0 && outcome.failed.length === days.length) {
      throw new Error(`no day could be rolled up: ${outcome.failed[0]?.error}`);
    }
    return outcome;
  });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

interface Look {
  analyses: SeriesAnalysis[];
  problems: string[];
}

/** Every series as of `to`; kept as a step, since models take seconds. */
async function analysis(
  { context, parts }: Job,
  { to, from, until }: { to: string; from: number; until: number },
): Promise<Look> {
  return await context.step(`analysis:${to}`, async () => {
    context.progress(from, "reading the days");
    const numbers = await gather(parts.library, to);
    const series = numbers ? seriesOf(numbers) : [];
    const outcomes = await analyseAll(series, to, {
      signal: context.signal,
      done: (count) =>
        context.progress(
          from + ((until - from) * count) / series.length,
          `${count} of ${series.length} series analysed`,
        ),
    });
    return {
      analyses: outcomes.flatMap(({ analysis }) => (analysis ? [analysis] : [])),
      problems: outcomes.flatMap(({ error }, i) =>
        error === null
          ? []
          : [`${series[i]?.metric} of ${series[i]?.subject} could not be analysed: ${error}`],
      ),
    };
  });
}

async function report(
  job: Job,
  { period, now }: { period: Period; now: string },
): Promise<Record<string, unknown>> {
  const { context, parts, taskId } = job;
  const to = period.to > now.slice(0, 10) ? now.slice(0, 10) : period.to;
  // A run that looks at everything has its own place in the progress.
  const look = await analysis(job, { to, from: 0.1, until: 0.8 });
  const key = `${period.kind}:${period.from}`;
  const document = await context.step(`compose:${key}`, () =>
    composeReport(parts.library, {
      ...{ period, to, generatedAt: now, targets: paramsOf(context).targets },
      ...{ analyses: look.analyses, limits: look.problems },
    }),
  );
  context.progress(0.9, `writing the report of ${document.period}`);
  const narrator = narrates(job);
  const told = narrator
    ? await context.step(`tell:${key}`, () => narrator.tell(document, context.signal))
    : document;
  const saved = await context.step(`save:${key}`, () =>
    parts.library.saveReport(reportForms(told, `${taskId}`)),
  );
  context.log("a report was written", { report_id: saved.reportId, kind: period.kind, from: period.from });
  return {
    report_id: saved.reportId,
    report_url: `${(parts.publicUrl ?? "").replace(/\/+$/, "")}/api/v1/content/reports/${saved.reportId}`,
    ...{
      kind: period.kind,
      from: period.from,
      to: period.to,
      headline: told.headline,
      told_by: told.told_by,
    },
  };
}

function narrates({ context, parts }: Job): Narrator | null {
  return narratorOf({
    providers: parts.providers,
    models: parts.models,
    gateway: context.gateway,
    log: context.log,
  });
}

async function investigation(job: Job, today: string): Promise<Record<string, unknown>> {
  const { context, parts, input, taskId } = job;
  const asked = input.investigate as NonNullable<TaskInput["investigate"]>;
  context.progress(0.1, "looking at what changed");
  const evidence = await context.step("investigate", () =>
    investigate(parts.library, asked, { today, signal: context.signal }),
  );
  const finding = findingOf(evidence);
  const { metric, subject, comparison, parts: shares, moments, coincidences } = evidence;
  const numbers = { comparison, parts: shares };
  await parts.library.saveInsights(
    [
      {
        key: `investigation|${taskId}`,
        kind: "investigation",
        ...{ metric, subject, from: asked.from, to: asked.to, headline: finding.headline },
        importance: finding.confidence === "high" ? 0.8 : finding.confidence === "medium" ? 0.6 : 0.3,
        words: finding.words.join(" "),
        numbers,
        evidence: {
          moments,
          coincidences,
          question: asked.question ?? null,
          alert_id: asked.alert_id ?? null,
          confidence: finding.confidence,
        },
        toldBy: "deterministic",
      },
    ],
    { taskId, kinds: [] },
  );
  context.log("investigated", { metric, subject, confidence: finding.confidence });
  return {
    finding: {
      ...finding,
      ...{ metric, subject, from: asked.from, to: asked.to },
      ...{ question: asked.question ?? null, alert_id: asked.alert_id ?? null },
    },
    evidence: { ...numbers, moments, coincidences, notes: evidence.notes },
  };
}

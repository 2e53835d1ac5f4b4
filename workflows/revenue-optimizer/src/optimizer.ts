/** Owns the order of a run: window, experiments, strategies, funnel, opportunities. Each step is kept; none is written here. */
import {
  defineWorkflow,
  type TaskContext,
  type Workflow,
  type WorkflowOptions,
} from "@master-orchestrator/sdk";
import type { ExperimentOutcome, FunnelSummary, OpportunitySummary, StrategyOutcome } from "./analyses.ts";
import type { Library } from "./library.ts";
import { type Analysis, type Request, RequestSchema, windowOf } from "./request.ts";

export const REVENUE_OPTIMIZER = "revenue_optimizer";

export interface RevenueOptimizerParts {
  library: Library;
  sdk?: WorkflowOptions;
}

/** What the task's `result_data` holds. A part that was not asked for, or had nothing to work on, is null. */
export interface RevenueResult {
  from: string;
  to: string;
  experiments: ExperimentOutcome[] | null;
  strategies: StrategyOutcome[] | null;
  funnel: FunnelSummary | null;
  opportunities: OpportunitySummary | null;
  /** What was left out, and why: nothing is made up for data that is not there. */
  skipped: { part: Analysis; reason: string }[];
}

/** The built-in sub-workflow: one analysis, or all, for each task. Calls no model, so it spends nothing. */
export function revenueOptimizer({ library, sdk }: RevenueOptimizerParts): Workflow {
  return defineWorkflow(
    {
      type: REVENUE_OPTIMIZER,
      input: RequestSchema,
      // Each reads much: side by side they would only wait for the same disk.
      concurrency: 1,
      async preflight() {
        await library.nowMs();
      },
      run: (task, context) => analyse(task.input, context, library),
    },
    sdk,
  );
}

async function analyse(request: Request, context: TaskContext, library: Library): Promise<RevenueResult> {
  context.progress(0, "looking at what there is");
  const { window, coverage } = await context.step("window", async () => {
    const window = windowOf(request, await library.nowMs());
    return { window, coverage: await library.coverage(window) };
  });
  // Its statistics take a fifth of a second to load: not at the start of every process.
  const analyses = await import("./analyses.ts");
  const wanted = (part: Analysis) => request.analysis === undefined || request.analysis === part;
  const skipped: RevenueResult["skipped"] = [];
  const { attempt, failures } = attemptsOf(context);
  const judged = wanted("experiments") ? await judgeAll(context, library, attempt) : null;
  if (judged?.experiments.length === 0 && failures.length === 0) {
    skipped.push({ part: "experiments", reason: "no experiment is running" });
  }
  const empty = analyses.emptiness(coverage);
  const onData = async <T>(part: Analysis, at: number, work: () => Promise<T>): Promise<T | null> => {
    if (!wanted(part)) return null;
    if (empty !== null) {
      skipped.push({ part, reason: empty });
      return null;
    }
    context.progress(at, part);
    return await attempt(part, work);
  };
  const funnel = await onData("funnel", 0.5, () => analyses.summariseFunnel(library, window));
  const opportunities = await onData("opportunities", 0.75, () =>
    analyses.keepOpportunities(library, window, context.taskId),
  );
  if (failures.length > 0) throw new Error(failures.join("; "));
  await context.step("finish", async () => {
    const summary = { analysis: request.analysis ?? "all", skipped };
    const { seenThroughMs } = coverage;
    await library.finishRun({ taskId: context.taskId, window, seenThroughMs, summary });
    return true;
  });
  return {
    from: new Date(window.fromMs).toISOString(),
    to: new Date(window.toMs).toISOString(),
    experiments: judged?.experiments ?? null,
    strategies: judged?.strategies ?? null,
    ...{ funnel, opportunities, skipped },
  };
}

type Attempt = <T>(part: string, work: () => Promise<T>) => Promise<T | null>;

/** One part that fails is no reason to leave out the others; the attempt fails at its end, and goes on there. */
function attemptsOf(context: TaskContext): { attempt: Attempt; failures: string[] } {
  const failures: string[] = [];
  return {
    failures,
    async attempt(part, work) {
      context.signal.throwIfAborted();
      try {
        return await context.step(part, work);
      } catch (error) {
        context.signal.throwIfAborted();
        failures.push(`${part}: ${error instanceof Error ? error.message : String(error)}`);
        return null;
      }
    },
  };
}

/** Every experiment that runs, then every roll-out that is watched: one that is rolled out now is among them. */
async function judgeAll(
  context: TaskContext,
  library: Library,
  attempt: Attempt,
): Promise<{ experiments: ExperimentOutcome[]; strategies: StrategyOutcome[] }> {
  const analyses = await import("./analyses.ts");
  context.progress(0.1, "judging experiments");
  // The lists are kept: what one attempt has ended the next one still reports.
  const experiments: (ExperimentOutcome | null)[] = [];
  for (const experiment of await context.step("running", () => library.runningExperiments())) {
    const judge = () => analyses.judgeExperiment(library, experiment);
    experiments.push(await attempt(`experiment:${experiment.experimentId}`, judge));
  }
  context.progress(0.4, "measuring strategies");
  const strategies: (StrategyOutcome | null)[] = [];
  for (const strategy of await context.step("watched", () => library.watchedStrategies())) {
    const judge = () => analyses.judgeStrategy(library, strategy);
    strategies.push(await attempt(`strategy:${strategy.version}`, judge));
  }
  return {
    experiments: experiments.filter((each) => each !== null),
    strategies: strategies.filter((each) => each !== null),
  };
}

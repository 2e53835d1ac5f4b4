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
  const failures: string[] = [];
  const skipped: RevenueResult["skipped"] = [];
  const wanted = (part: Analysis) => request.analysis === undefined || request.analysis === part;
  /** One part that fails is no reason to leave out the others; the attempt fails at its end, and goes on there. */
  const attempt = async <T>(part: string, work: () => Promise<T>): Promise<T | null> => {
    context.signal.throwIfAborted();
    try {
      return await context.step(part, work);
    } catch (error) {
      context.signal.throwIfAborted();
      failures.push(`${part}: ${error instanceof Error ? error.message : String(error)}`);
      return null;
    }
  };

  let experiments: ExperimentOutcome[] | null = null;
  let strategies: StrategyOutcome[] | null = null;
  if (wanted("experiments")) {
    context.progress(0.1, "judging experiments");
    // Kept: what one attempt has ended the next one still reports.
    const running = await context.step("running", () => library.runningExperiments());
    experiments = [];
    for (const experiment of running) {
      const outcome = await attempt(`experiment:${experiment.experimentId}`, () =>
        analyses.judgeExperiment(library, experiment),
      );
      if (outcome) experiments.push(outcome);
    }
    if (running.length === 0) skipped.push({ part: "experiments", reason: "no experiment is running" });
    context.progress(0.4, "measuring strategies");
    strategies = [];
    for (const strategy of await context.step("watched", () => library.watchedStrategies())) {
      const outcome = await attempt(`strategy:${strategy.version}`, () =>
        analyses.judgeStrategy(library, strategy),
      );
      if (outcome) strategies.push(outcome);
    }
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
  const result: RevenueResult = {
    from: new Date(window.fromMs).toISOString(),
    to: new Date(window.toMs).toISOString(),
    ...{ experiments, strategies, funnel, opportunities, skipped },
  };
  await context.step("finish", async () => {
    const { seenThroughMs } = coverage;
    const summary = { analysis: request.analysis ?? "all", skipped };
    await library.finishRun({ taskId: context.taskId, window, seenThroughMs, summary });
    return true;
  });
  return result;
}

/** What work is expected to need: by its workflow's word, else by what its lane's runs needed lately. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Callback } from "@master-orchestrator/contract";
import {
  aCallback,
  aNeed,
  aSnapshot,
  aUse,
  aWorkflow,
  aWorkingRun,
  MINUTE,
  WORKFLOW,
} from "#test/builders.ts";
import { needOf } from "./needs.ts";
import { plan } from "./plan.ts";
import { estimatesOf, type MeasuredNeed, NO_SUPPLIES, type RunUse } from "./supplies.ts";

const lane = { workflowType: WORKFLOW, contentType: "default" };

function need(estimates: Record<string, number>, needs: readonly MeasuredNeed[] = [], secondsPerTask = 0) {
  const workflow = aWorkflow({
    estimates: estimatesOf({ estimates }),
    secondsPerTask: secondsPerTask || null,
  });
  const snapshot = aSnapshot({ workflows: { [WORKFLOW]: workflow }, supplies: { ...NO_SUPPLIES, needs } });
  return needOf(lane, snapshot);
}

describe("the need of a task", () => {
  it("is not known where nobody says it and nothing has run", () => {
    assert.deepEqual(need({}), { calls: {}, costMicros: null, providerMicros: {}, seconds: 0 });
  });

  it("is what the workflow says, each figure before what was measured", () => {
    const measured = aNeed({ calls: { gemini: 5, openai: 2 }, costMicros: 100, seconds: 40 });
    const { calls, costMicros, seconds } = need({ gemini_calls_per_task: 3, cost_usd_per_task: 0.01 }, [
      measured,
    ]);
    assert.deepEqual([calls, costMicros, seconds], [{ gemini: 3, openai: 2 }, 10_000, 40]);
  });

  it("is of its own lane alone", () => {
    assert.equal(need({}, [aNeed({ contentType: "news", costMicros: 7 })]).costMicros, null);
  });

  it("lasts as long as a task is said to take while no run was measured", () => {
    assert.equal(need({}, [], 12).seconds, 12);
  });

  it("costs at the provider what was metered there, or all of it at the only one that is called", () => {
    const metered = aNeed({
      calls: { gemini: 1, openai: 1 },
      costMicros: 30,
      providerMicros: { gemini: 10, openai: 20 },
    });
    assert.deepEqual(need({}, [metered]).providerMicros, { gemini: 10, openai: 20 });
    assert.deepEqual(need({ gemini_calls_per_task: 1, cost_usd_per_task: 0.01 }).providerMicros, {
      gemini: 10_000,
    });
    const two = { gemini_calls_per_task: 1, openai_calls_per_task: 1, cost_usd_per_task: 0.01 };
    assert.deepEqual(need(two).providerMicros, {});
  });
});

/** One run that ends in this plan, and what is measured of it. */
function measured(
  use: Partial<RunUse>,
  callback: Partial<Callback> & Pick<Callback, "status">,
  needs: readonly MeasuredNeed[] = [],
) {
  const run = aWorkingRun();
  const atWork = [aUse({ executionId: run.executionId, ageMs: MINUTE, ...use })];
  const facts = [aCallback(run, callback)];
  const { decisions } = plan(aSnapshot({ runs: [run], facts, supplies: { ...NO_SUPPLIES, atWork, needs } }));
  return decisions.flatMap((one) => (one.kind === "measure_need" ? [one.need] : []));
}

describe("what a run has needed", () => {
  it("is what the gateway metered for each of its tasks", () => {
    const use = { tasks: 2, calls: { gemini: 6 }, micros: { gemini: 300 } };
    assert.deepEqual(measured(use, { status: "completed" }), [
      aNeed({ runs: 1, calls: { gemini: 3 }, costMicros: 150, providerMicros: { gemini: 150 } }),
    ]);
  });

  it("is what its callback says if that is more; providers that the policy does not know are nobody", () => {
    const metrics = { cost_usd: 0.5, api_calls: { gemini: 4, openai: 1, nobody: 9 } };
    const [need] = measured(
      { calls: { gemini: 6 }, micros: { gemini: 300 } },
      { status: "completed", metrics },
    );
    assert.deepEqual([need?.calls, need?.costMicros], [{ gemini: 6, openai: 1 }, 500_000]);
  });

  it("is not learned from a failure", () => {
    assert.deepEqual(measured({ calls: { gemini: 6 } }, { status: "failed" }), []);
  });

  it("moves what is known by its part of the first ten runs, and by a tenth after them", () => {
    const known = aNeed({ runs: 1, calls: { gemini: 2 }, costMicros: 100 });
    const use = { calls: { gemini: 4 }, micros: { gemini: 100 } };
    const [second] = measured(use, { status: "completed" }, [known]);
    assert.deepEqual([second?.runs, second?.calls], [2, { gemini: 3 }]);
    const [later] = measured(use, { status: "completed" }, [{ ...known, runs: 50 }]);
    assert.deepEqual([later?.runs, later?.calls], [51, { gemini: 2.2 }]);
  });

  it("is not written down when it says nothing new", () => {
    const known = aNeed({ runs: 50, calls: { gemini: 4 }, costMicros: 100, providerMicros: { gemini: 100 } });
    const use = { calls: { gemini: 4 }, micros: { gemini: 100 } };
    assert.deepEqual(measured(use, { status: "completed" }, [known]), []);
  });
});

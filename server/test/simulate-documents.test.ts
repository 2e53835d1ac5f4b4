/** A policy file means to the simulator what it means to the service. */
import assert from "node:assert/strict";
import { it } from "node:test";
import { defaultPolicy, type Policy, Problem } from "@master-orchestrator/contract";
import { mergePolicy } from "#http/routes/policy.ts";
import { mergedPolicy } from "#simulate/documents.ts";

const patches: Record<string, unknown>[] = [
  {},
  { lanes: { "a/b": { weight: 3 }, "a/c": {} } },
  { lanes: { "a/b": null }, providers: { gemini: null } },
  { retry: { max_attempts: 5 }, ageing: { boost_per_minute: 0.5 } },
  {
    prices: {
      m: { input_usd_per_million: 1, output_usd_per_million: 2, cached_input_usd_per_million: null },
    },
  },
  { concurrency: null },
  { concurency: { total: 3 } },
  { lanes: { "a/b": { weight: -1 } } },
  { lanes: { "a/b": { wieght: 1 } } },
  { retry: [] },
];

it("a policy file is merged and refused by the simulator as by PUT /api/v1/policy", () => {
  const outcome = (merge: (current: Policy, patch: Record<string, unknown>) => Policy, base: Policy) =>
    patches.map((patch) => {
      try {
        return merge(base, patch);
      } catch (error) {
        assert.ok(error instanceof Problem);
        return (error.details.errors as { path: string; message: string }[]).map(({ path, message }) => [
          path.replace(/^\/policy/, "") || "/",
          message,
        ]);
      }
    });
  const changed = mergePolicy(defaultPolicy(), { lanes: { "a/b": { weight: 2 } } });
  for (const base of [defaultPolicy(), changed]) {
    assert.deepEqual(outcome(mergedPolicy, base), outcome(mergePolicy, base));
  }
});

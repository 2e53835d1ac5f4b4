/** The policy document: every name that the contract fixes, with its default, and what is refused. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { defaultPolicy, Policy } from "./policy.ts";
import { fieldProblems } from "./validate.ts";

/** As it stands in the contract, but for its two examples (a lane's weight, a price). */
const CONTRACT = {
  concurrency: { total: 10, high_load: 3 },
  ageing: { boost_after_minutes: 30, boost_per_minute: 10 },
  retry: {
    max_attempts: 3,
    base_seconds: 60,
    factor: 2,
    max_seconds: 960,
    jitter: 0.2,
    dead_letter_after: 5,
  },
  lanes: {},
  batching: { full_batches_above_depth: 1000 },
  providers: { gemini: { requests_per_minute: 60 }, openai: { requests_per_minute: 50 } },
  budget: { daily_usd: 500, slow_down_at: 0.8, critical_only_at: 0.9 },
  database: { max_connections: 15 },
  memory: { max_rss_mb: 1536 },
  retention: { archive_after_days: 30, dead_letters_after_days: 365 },
  adapt: { by: "pace" },
  prices: {},
};

/** Fails for the first fixed name that is missing or has another value; more names are welcome. */
function assertIncludes(actual: unknown, expected: unknown, path: string): void {
  if (typeof expected !== "object" || expected === null) {
    assert.equal(actual, expected, path);
    return;
  }
  for (const [name, value] of Object.entries(expected)) {
    assertIncludes((actual as Record<string, unknown> | undefined)?.[name], value, `${path}/${name}`);
  }
}

const problems = (value: unknown) => fieldProblems(Policy, value);

describe("the policy of a new installation", () => {
  it("has every name of the contract, with the contract's value", () => {
    assertIncludes(defaultPolicy(), CONTRACT, "");
    assert.deepEqual(defaultPolicy().lanes, {});
    assert.deepEqual(defaultPolicy().prices, {});
  });

  it("is what an empty document, or one of empty branches, means", () => {
    assert.deepEqual(Policy.parse({}), defaultPolicy());
    assert.deepEqual(Policy.parse({ retry: {}, ageing: {}, budget: {} }), defaultPolicy());
  });

  it("is a document that it would accept itself, unchanged", () => {
    assert.deepEqual(Policy.parse(structuredClone(defaultPolicy())), defaultPolicy());
  });

  it("is a value of its own each time", () => {
    defaultPolicy().providers.gemini = { requests_per_minute: 1 };
    assert.deepEqual(defaultPolicy().providers.gemini, { requests_per_minute: 60 });
  });
});

describe("a policy", () => {
  it("changes what it names and leaves the rest at its default", () => {
    const policy = Policy.parse({ retry: { max_attempts: 2 } });
    assert.deepEqual(policy.retry, { ...defaultPolicy().retry, max_attempts: 2 });
    assert.deepEqual(policy.ageing, defaultPolicy().ageing);
  });

  it("takes fractions of minutes, seconds and weights, and nothing below 0", () => {
    const fractions = {
      ageing: { boost_after_minutes: 0.5, boost_per_minute: 0 },
      retry: { base_seconds: 0.25, max_seconds: 0.5 },
      lanes: { "content_pipeline/news": { weight: 0.1 } },
    };
    assert.deepEqual(problems(fractions), []);
    assert.equal(problems({ ageing: { boost_after_minutes: -1 } })[0]?.path, "/ageing/boost_after_minutes");
    assert.equal(problems({ retry: { base_seconds: -0.1 } })[0]?.path, "/retry/base_seconds");
    assert.equal(problems({ lanes: { "a/b": { weight: -1 } } })[0]?.path, "/lanes/a/b/weight");
  });

  it("takes the contract's examples of a lane and a price", () => {
    const prices = { "my-local-model": { input_usd_per_million: 0, output_usd_per_million: 0 } };
    assert.deepEqual(problems({ lanes: { "content_pipeline/news": { weight: 2 } }, prices }), []);
  });

  const refused: [what: string, value: unknown, path: string][] = [
    ["an unknown branch", { concurency: {} }, "/concurency"],
    ["an unknown name in a branch", { retry: { attempts: 3 } }, "/retry/attempts"],
    ["a text for a number", { concurrency: { total: "10" } }, "/concurrency/total"],
    ["a fraction of a run", { concurrency: { total: 1.5 } }, "/concurrency/total"],
    ["no attempt at all", { retry: { max_attempts: 0 } }, "/retry/max_attempts"],
    ["a wait that shrinks", { retry: { factor: 0.5 } }, "/retry/factor"],
    ["jitter above the wait itself", { retry: { jitter: 1.1 } }, "/retry/jitter"],
    ["a share above 1", { budget: { slow_down_at: 80 } }, "/budget/slow_down_at"],
    ["an unknown way to adapt", { adapt: { by: "speed" } }, "/adapt/by"],
    [
      "a lead that ends before it begins",
      { adapt: { ahead_from: 0.3, ahead_full: 0.2 } },
      "/adapt/ahead_full",
    ],
    ["errors that end before they begin", { adapt: { errors_from: 0.6 } }, "/adapt/errors_full"],
    ["steps that lead nowhere", { adapt: { step: 0 } }, "/adapt/step"],
    ["intervals shorter than set", { adapt: { longest_interval: 0.5 } }, "/adapt/longest_interval"],
    [
      "an infinite number",
      { ageing: { boost_per_minute: Number.POSITIVE_INFINITY } },
      "/ageing/boost_per_minute",
    ],
    ["null for a branch", { budget: null }, "/budget"],
  ];
  for (const [what, value, path] of refused) {
    it(`with ${what} is refused, by name`, () => {
      assert.equal(problems(value)[0]?.path, path);
    });
  }

  it("with a lane that is not workflow_type/content_type is refused", () => {
    for (const lane of ["news", "Content/news", "a/b/c", "/news", "a/"]) {
      assert.ok(problems({ lanes: { [lane]: {} } }).length > 0, lane);
    }
  });
});

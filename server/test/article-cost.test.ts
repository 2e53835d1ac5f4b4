/** What an article may cost at the most, at the default models and the price list's prices. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { castOf, worstCaseUsd } from "@master-orchestrator/content-pipeline";
import { Policy } from "@master-orchestrator/contract";
import { findPrice } from "#gateway/prices.ts";

const policy = { policy: Policy.parse({}), version: 1 };

function ratesOf(provider: string, model: string) {
  const price = findPrice(provider, model, policy, Date.UTC(2026, 10, 25));
  assert.ok(price, `${provider}/${model} has a price`);
  const usd = (input: number, output: number) => price.worst({ input, output, media: false }) / 1e6;
  return { input: usd(30_000, 0) / 0.03, output: usd(0, 10_000) / 0.01 };
}

test("an article at its longest costs less than ten cents, whichever providers are on", () => {
  for (const providers of [
    { gemini: true, openai: true },
    { gemini: true, openai: false },
    { gemini: false, openai: true },
  ]) {
    const { writer, judge, independent } = castOf({ providers })!;
    assert.equal(independent, true, "another model judges");
    const usd = worstCaseUsd(ratesOf(writer.provider, writer.model), ratesOf(judge.provider, judge.model));
    assert.ok(usd < 0.1, `${JSON.stringify(providers)}: $${usd.toFixed(4)}`);
  }
});

test("who writes and who judges can be set; a provider without a key cannot be named", () => {
  const providers = { gemini: true, openai: false };
  assert.equal(castOf({ providers: { gemini: false, openai: false } }), null);
  const { judge } = castOf({ providers, writer: "gemini/gemini-3.1-flash-lite" })!;
  assert.deepEqual(judge, { provider: "gemini", model: "gemini-3.5-flash-lite" });
  assert.throws(() => castOf({ providers, judge: "openai/gpt-6-luna" }), /openai has no key/);
});

/** Owns the proof that a call's price is the price list's, exactly, and that no usage costs more than its worst case. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Policy } from "@master-orchestrator/contract";
import { calcPrice, findProvider } from "@pydantic/genai-prices";
import type { TokenUsage } from "#core/usage.ts";
import { forSeeds } from "#test/chance.ts";
import { findPrice } from "./prices.ts";

const stored = { policy: Policy.parse({}), version: 1 };
const AT_MS = Date.UTC(2026, 10, 25, 12);
const text = (usage: Partial<TokenUsage>): TokenUsage => ({
  ...{ input: 0, cachedInput: 0, cacheWrite: 0, audioInput: 0, output: 0 },
  ...{ thinking: 0, audioOutput: 0, imageOutput: 0 },
  ...usage,
});

const LISTS = [
  ["openai", "openai"],
  ["gemini", "google"],
] as const;

test("every listed model: the library's own price, to the micro-dollar, and never above the worst case", () => {
  let compared = 0;
  forSeeds(20, (random) => {
    for (const [provider, providerId] of LISTS) {
      for (const { id } of findProvider({ providerId })?.models ?? []) {
        const price = findPrice(provider, id, stored, AT_MS);
        if (price === null) continue;
        const input = random.int(0, 300_000);
        const usage = text({ input, cachedInput: random.int(0, input), output: random.int(0, 70_000) });
        const parts = {
          ...{ input_tokens: input, output_tokens: usage.output },
          ...(usage.cachedInput > 0 ? { cache_read_tokens: usage.cachedInput } : {}),
        };
        const theirs = calcPrice(parts, id, { providerId, timestamp: new Date(AT_MS) });
        if (theirs === null) continue;
        const micros = Math.floor(Number((theirs.total_price * 1e6).toFixed(6)) + 0.5);
        assert.equal(price.cost(usage), micros, `${provider} ${id} ${JSON.stringify(usage)}`);
        const worst = price.worst({ input, output: usage.output, media: true });
        assert.ok(worst >= micros, `${id}: ${micros} is more than ${worst}`);
        compared++;
      }
    }
  });
  assert.ok(compared > 2_000, `${compared} prices were compared`);
});

test("a name that was looked for once is found again, and an unknown one stays unknown", () => {
  for (let looks = 0; looks < 2; looks++) {
    assert.equal(findPrice("openai", "gpt-4o-mini-2024-07-18", stored, AT_MS)?.name, "gpt-4o-mini");
    assert.equal(findPrice("openai", "no-such-model", stored, AT_MS), null);
    assert.equal(findPrice("gemini", "gpt-4o-mini", stored, AT_MS), null, "another provider's");
    assert.equal(findPrice("elsewhere", "gpt-4o-mini", stored, AT_MS), null);
  }
});

test("the policy's price comes first, and its new version at once", () => {
  const priced = (output: number, version: number) => ({
    policy: Policy.parse({
      prices: { "gpt-4o-mini": { input_usd_per_million: 1, output_usd_per_million: output } },
    }),
    version,
  });
  const usage = text({ input: 10, output: 10 });
  assert.equal(findPrice("openai", "gpt-4o-mini", priced(2, 3), AT_MS)?.cost(usage), 30);
  const changed = findPrice("openai", "gpt-4o-mini", priced(5, 4), AT_MS);
  assert.deepEqual([changed?.cost(usage), changed?.version], [60, "policy 4"]);
});

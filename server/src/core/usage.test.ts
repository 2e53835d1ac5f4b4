/** What providers say that was used, money in whole micro-dollars, and clocks that are set: in tables. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { believableSpan, clockStepMs } from "./governor.ts";
import { ceilingMicros, costMicros, microsOf } from "./price.ts";
import { mergeReports, readGeminiUsage, readOpenAiUsage } from "./usage.ts";

describe("OpenAI's usage", () => {
  it("is read from chats, responses and embeddings", () => {
    const chat = { prompt_tokens: 9, completion_tokens: 4, prompt_tokens_details: { cached_tokens: 3 } };
    assert.deepEqual([readOpenAiUsage(chat)?.input, readOpenAiUsage(chat)?.cachedInput], [9, 3]);
    const response = { input_tokens: 9, output_tokens: 4, output_tokens_details: { reasoning_tokens: 2 } };
    assert.deepEqual([readOpenAiUsage(response)?.output, readOpenAiUsage(response)?.thinking], [4, 2]);
    assert.equal(readOpenAiUsage({ prompt_tokens: 9, total_tokens: 9 })?.output, 0);
  });
  it("takes an explicit zero as zero, and what is missing or nonsense as unknown", () => {
    assert.equal(readOpenAiUsage({ prompt_tokens: 0, completion_tokens: 0 })?.input, 0);
    for (const usage of [
      null,
      {},
      { prompt_tokens: null, completion_tokens: 1 },
      { prompt_tokens: "3", completion_tokens: 1 },
      { prompt_tokens: -3, completion_tokens: 1 },
      { prompt_tokens: 3, completion_tokens: 1, prompt_tokens_details: { cached_tokens: 4 } },
    ]) {
      assert.equal(readOpenAiUsage(usage), null, JSON.stringify(usage));
    }
  });
});

describe("Gemini's usage", () => {
  it("counts thoughts besides the candidates, and cached tokens among the prompt's", () => {
    const usage = {
      promptTokenCount: 9,
      cachedContentTokenCount: 3,
      candidatesTokenCount: 4,
      thoughtsTokenCount: 5,
    };
    const read = readGeminiUsage(usage);
    assert.deepEqual([read?.input, read?.cachedInput, read?.output, read?.thinking], [9, 3, 9, 5]);
  });
  it("is cumulative: a later report replaces, but does not take away", () => {
    const merged = mergeReports({ promptTokenCount: 9, thoughtsTokenCount: 2 }, { candidatesTokenCount: 7 });
    assert.deepEqual(readGeminiUsage(merged)?.output, 9);
  });
});

describe("money", () => {
  it("is rounded half up to a micro-dollar, exactly", () => {
    assert.equal(costMicros([{ tokens: 1, usdPerMillion: 0.5 }]), 1);
    assert.equal(costMicros([{ tokens: 1, usdPerMillion: 0.499_999_999_999 }]), 0);
    assert.equal(costMicros([{ tokens: 3, usdPerMillion: 0.15 }]), 0);
    assert.equal(costMicros([{ tokens: 10, usdPerMillion: 0.15 }]), 2);
    assert.equal(ceilingMicros([{ tokens: 1, usdPerMillion: 0.000_001 }]), 1);
    assert.equal(costMicros([{ tokens: 1_000_000_000, usdPerMillion: 15.1 }]), 15_100_000_000);
    assert.equal(microsOf(0.1 + 0.2), 300_000);
  });
});

describe("a clock", () => {
  const before = { atMs: 1_000_000, sentMs: 100, receivedMs: 110 };
  it("that passes is believed, a slow answer too", () => {
    assert.equal(clockStepMs(before, { atMs: 1_060_000, sentMs: 60_090, receivedMs: 60_120 }), 0);
    assert.equal(clockStepMs(before, { atMs: 1_008_000, sentMs: 200, receivedMs: 8_200 }), 0);
  });
  it("that was set is not, and its step is taken off so that no window gets shorter", () => {
    assert.equal(clockStepMs(before, { atMs: 1_070_000, sentMs: 200, receivedMs: 205 }), 69_910);
    assert.equal(clockStepMs(before, { atMs: 940_000, sentMs: 200, receivedMs: 205 }), -60_090);
  });
  it("can be where the time that has passed allows, and nowhere else", () => {
    const { fromMs, toMs } = believableSpan(before, 10_110);
    assert.ok(fromMs > 1_008_000 && fromMs < 1_010_000, `${fromMs}`);
    assert.ok(toMs > 1_010_000 && toMs < 1_013_000, `${toMs}`);
  });
});

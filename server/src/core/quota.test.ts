/** Providers' words about their quotas, in tables. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { durationMs, readQuota } from "./quota.ts";

const nowMs = Date.UTC(2026, 0, 1, 9, 0, 0);

describe("durations", () => {
  for (const [text, ms] of [
    ["12ms", 12],
    ["1s", 1_000],
    ["6m0s", 360_000],
    ["1h2m3.5s", 3_723_500],
    ["41.5s", 41_500],
    ["soon", null],
    ["", null],
    ["-3s", null],
  ] as const) {
    it(`"${text}"`, () => assert.equal(durationMs(text), ms));
  }
});

describe("OpenAI's 429", () => {
  const read = (error: object, headers: Record<string, string> = {}) =>
    readQuota("openai", { status: 429, headers, body: { error }, nowMs });

  it("takes Retry-After in seconds, as a date, or in milliseconds", () => {
    assert.equal(read({}, { "retry-after": "3" })?.pauseMs, 3_000);
    assert.equal(read({}, { "retry-after": new Date(nowMs + 9_000).toUTCString() })?.pauseMs, 9_000);
    assert.equal(read({}, { "retry-after": "1", "retry-after-ms": "1500" })?.pauseMs, 1_500);
  });
  it("waits only for what is used up", () => {
    const headers = {
      "x-ratelimit-remaining-requests": "12",
      "x-ratelimit-reset-requests": "8m",
      "x-ratelimit-remaining-tokens": "0",
      "x-ratelimit-reset-tokens": "4.5s",
    };
    assert.equal(read({}, headers)?.pauseMs, 4_500);
  });
  it("tells an empty account and a day's limit", () => {
    assert.equal(read({ code: "insufficient_quota" })?.kind, "insufficient_quota");
    assert.equal(read({ message: "Limit reached on requests per day (RPD)" })?.kind, "day");
    assert.equal(read({ message: "Limit reached on tokens per min" })?.kind, "minute");
  });
  it("is no pause for other failures", () => {
    assert.equal(readQuota("openai", { status: 500, headers: {}, body: {}, nowMs }), null);
  });
});

describe("Gemini's 429", () => {
  const read = (details: object[]) =>
    readQuota("gemini", { status: 429, headers: {}, body: { error: { code: 429, details } }, nowMs });
  const quota = (quotaId: string) => ({
    "@type": "type.googleapis.com/google.rpc.QuotaFailure",
    violations: [{ quotaId }],
  });

  it("takes RetryInfo, with a quota or without", () => {
    const info = { "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "26.8s" };
    assert.equal(read([info])?.pauseMs, 26_800);
    assert.equal(read([quota("RequestsPerMinute"), info])?.pauseMs, 26_800);
  });
  it("waits for a day's quota until midnight in California", () => {
    const pause = read([quota("GenerateRequestsPerDayPerProject")]);
    assert.deepEqual([pause?.kind, pause?.pauseMs], ["day", 23 * 3_600_000]);
  });
  it("waits a little where nothing was said", () => {
    assert.deepEqual([read([])?.kind, read([])?.pauseMs], ["minute", 20_000]);
  });
});

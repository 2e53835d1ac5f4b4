/** Reads a provider's "too many requests": which of its quotas is used up, and for how long. Decides nothing else. */

export type QuotaKind = "minute" | "day" | "insufficient_quota";

export interface QuotaPause {
  kind: QuotaKind;
  /** The one model that is concerned; null: the provider. */
  model: string | null;
  pauseMs: number;
  message: string;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
/** An account without money may be filled up at any time: it is tried again this often. */
const NO_MONEY_MS = 15 * MINUTE_MS;
/** Without a word from the provider, about how long a minute's quota takes to come back. */
const SHORT_MS = 20_000;
const LONGEST_MS = DAY_MS;

type Fields = Record<string, unknown>;

interface Refused {
  status: number;
  headers: Readonly<Record<string, string>>;
  /** Parsed JSON, or whatever else came. */
  body: unknown;
  nowMs: number;
}

/** The pause that an answer asks for; null if it is about something else. */
export function readQuota(provider: string, answer: Refused): QuotaPause | null {
  if (answer.status !== 429) return null;
  const error = fields(fields(Array.isArray(answer.body) ? answer.body[0] : answer.body).error);
  const message = typeof error.message === "string" ? error.message.slice(0, 500) : "no reason given";
  const told = retryAfterMs(answer);
  const found = provider === "gemini" ? ofGemini(error, answer, told) : ofOpenAi(error, answer, told);
  return { ...found, pauseMs: Math.min(Math.max(found.pauseMs, 1_000), LONGEST_MS), message };
}

interface Found {
  kind: QuotaKind;
  model: string | null;
  pauseMs: number;
}

function ofOpenAi(error: Fields, { headers }: Refused, told: number | null): Found {
  if (error.code === "insufficient_quota" || error.type === "insufficient_quota") {
    return { kind: "insufficient_quota", model: null, pauseMs: NO_MONEY_MS };
  }
  const perDay = /per day|\bRPD\b|\bTPD\b/i.test(String(error.message ?? ""));
  // Only what is used up is waited for: the other of the two may be full and still name a time.
  const resets = (["requests", "tokens"] as const)
    .filter((what) => headers[`x-ratelimit-remaining-${what}`] === "0")
    .map((what) => durationMs(headers[`x-ratelimit-reset-${what}`] ?? ""))
    .filter((ms) => ms !== null);
  const reset = resets.length > 0 ? Math.max(...resets) : null;
  return {
    kind: perDay ? "day" : "minute",
    model: null,
    pauseMs: told ?? reset ?? (perDay ? HOUR_MS : SHORT_MS),
  };
}

/** `QuotaFailure` and `RetryInfo` come together, one of them, or neither. */
function ofGemini(error: Fields, { nowMs }: Refused, told: number | null): Found {
  const details = Array.isArray(error.details) ? error.details.map(fields) : [];
  const of = (type: string) => details.filter((detail) => String(detail["@type"]).endsWith(type));
  const delay = of("google.rpc.RetryInfo")
    .map((info) => durationMs(String(info.retryDelay ?? "")))
    .find((ms) => ms !== null);
  const violations = of("google.rpc.QuotaFailure").flatMap((failure) =>
    Array.isArray(failure.violations) ? failure.violations.map(fields) : [],
  );
  const daily = violations.find((one) => /PerDay/i.test(String(one.quotaId ?? one.quotaMetric)));
  const dimensions = violations.map((one) => fields(one.quotaDimensions).model);
  const named =
    dimensions.length > 0 && dimensions.every((one) => one === dimensions[0]) ? dimensions[0] : null;
  const model = typeof named === "string" && named !== "" ? named : null;
  // For a day's quota the delay that is named is often a minute's: the quota comes back at midnight in California.
  if (daily) return { kind: "day", model, pauseMs: Math.max(delay ?? 0, told ?? 0, toMidnightMs(nowMs)) };
  return { kind: "minute", model, pauseMs: delay ?? told ?? SHORT_MS };
}

/** To the next midnight of UTC-8: at most an hour late, in summer, never early. */
function toMidnightMs(nowMs: number): number {
  const since = (nowMs - 8 * HOUR_MS) % DAY_MS;
  return DAY_MS - since;
}

/** `Retry-After` in seconds or as a date, or OpenAI's `retry-after-ms`. */
function retryAfterMs({ headers, nowMs }: Refused): number | null {
  const ms = Number(headers["retry-after-ms"] ?? Number.NaN);
  if (Number.isFinite(ms) && ms >= 0) return ms;
  const text = headers["retry-after"];
  if (text === undefined) return null;
  if (/^\d+(\.\d+)?$/.test(text.trim())) return Number(text) * 1000;
  const atMs = Date.parse(text);
  return Number.isNaN(atMs) ? null : Math.max(0, atMs - nowMs);
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: MINUTE_MS, h: HOUR_MS, d: DAY_MS };

/** Durations as providers write them: `12ms`, `6m0s`, `1h2m3.5s`, `3.000000001s`. Null for anything else. */
export function durationMs(text: string): number | null {
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(text)) return null;
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) {
    total += Number(amount) * (UNITS[unit as string] as number);
  }
  return total;
}

function fields(value: unknown): Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

/** What a sub-workflow's answer to a webhook means: the contract's table, and nothing else. Pure. */
import { Callback, fieldProblems } from "@master-orchestrator/contract";
import { parseStrictJson } from "@master-orchestrator/contract/json";

export interface WebhookAnswer {
  status: number;
  /** Names in lower case. */
  headers: Readonly<Record<string, string>>;
  body: Uint8Array;
}

export type Meaning =
  | { outcome: "callback"; callback: Callback }
  | { outcome: "accepted"; message: string }
  | { outcome: "refused"; message: string }
  | { outcome: "snoozed"; message: string; retryAfterMs: number | null }
  /** `maybeReceived` false: it certainly was not. */
  | { outcome: "unknown"; message: string; maybeReceived: boolean };

/** `attempt` is filled in where the answer is a callback that leaves it out. */
export function readAnswer(
  answer: WebhookAnswer,
  how: { attempt: number; accept: "json_accepted" | "any_2xx"; nowMs: number },
): Meaning {
  const { status } = answer;
  const said = `HTTP ${status}`;
  if (status >= 200 && status < 300) return readSuccess(answer, how);
  if (status === 409) return { outcome: "accepted", message: `${said}: it has this message already` };
  if (status === 429 || status === 503) {
    return { outcome: "snoozed", message: said, retryAfterMs: retryAfterMs(answer, how.nowMs) };
  }
  if (status >= 300 && status < 500)
    return { outcome: "refused", message: `${said}: ${excerpt(answer.body)}` };
  return { outcome: "unknown", message: `${said}: ${excerpt(answer.body)}`, maybeReceived: true };
}

function readSuccess(
  answer: WebhookAnswer,
  how: { attempt: number; accept: "json_accepted" | "any_2xx" },
): Meaning {
  const json = asObject(answer.body);
  if (json && ["completed", "partial", "failed"].includes(json.status as string)) {
    const callback = { attempt: how.attempt, ...json };
    const problems = fieldProblems(Callback, callback);
    const first = problems[0];
    if (first)
      return {
        outcome: "refused",
        message: `the answer is no valid callback: ${first.path}: ${first.message}`,
      };
    return { outcome: "callback", callback: Callback.parse(callback) };
  }
  if (json?.accepted === true) return { outcome: "accepted", message: `HTTP ${answer.status}: accepted` };
  if (how.accept === "any_2xx") return { outcome: "accepted", message: `HTTP ${answer.status}` };
  return {
    outcome: "unknown",
    message: `HTTP ${answer.status} without "accepted": true: ${excerpt(answer.body)}`,
    maybeReceived: true,
  };
}

function asObject(body: Uint8Array): Record<string, unknown> | null {
  try {
    const value = parseStrictJson(body);
    return value !== null && typeof value === "object" && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}

/** `Retry-After` in seconds or as a date; null when absent or unreadable. */
function retryAfterMs(answer: WebhookAnswer, nowMs: number): number | null {
  const value = answer.headers["retry-after"]?.trim();
  if (!value) return null;
  if (/^\d{1,9}(\.\d+)?$/.test(value)) return Number(value) * 1000;
  const dateMs = Date.parse(value);
  return Number.isNaN(dateMs) ? null : Math.max(0, dateMs - nowMs);
}

/** The first words of an answer, fit to be stored and shown. */
function excerpt(body: Uint8Array): string {
  const text = new TextDecoder().decode(body.subarray(0, 800));
  return (
    text
      .replace(/\p{Cc}+/gu, " ")
      .trim()
      .slice(0, 300) || "an empty body"
  );
}

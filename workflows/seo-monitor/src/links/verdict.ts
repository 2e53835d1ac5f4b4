/** Owns what came of checking a link, and what an answer means. Checks nothing. */
import type { WebFailureKind } from "../library.ts";

/**
 * `broken`: it leads nowhere. `restricted`: there, but not for us. `unknown`: not now, or not sure. `skipped`: not
 * allowed by robots.txt or by this installation.
 */
export type LinkOutcome = "ok" | "broken" | "restricted" | "unknown" | "skipped";

export interface LinkCheck {
  url: string;
  outcome: LinkOutcome;
  /** Of the last answer; null without one. */
  status: number | null;
  redirects: number;
  /** Where redirects led. */
  finalUrl: string;
  detail: string;
  checkedAtMs: number;
}

/** What a status says about a link, once redirects are followed. */
export function outcomeOfStatus(status: number): LinkOutcome {
  if (status >= 200 && status < 300) return "ok";
  if ([401, 402, 403, 407, 451, 999].includes(status)) return "restricted";
  if (status === 408 || status === 425 || status === 429 || status === 503) return "unknown";
  if (status >= 500) return "unknown";
  return "broken";
}

/** What a failed request says. A host that is not there leads nowhere; silence says little. */
export function outcomeOfFailure(kind: WebFailureKind): LinkOutcome {
  if (kind === "refused") return "skipped";
  return kind === "unreachable" ? "broken" : "unknown";
}

/** The one error class: what went wrong, with which value, and what to do about it. Knows no HTTP. */

/** Every code that a problem response may carry. Closed: a new refusal gets a new word here. */
export const PROBLEM_CODES = [
  "already_claimed",
  "archive_damaged",
  "budget_exhausted",
  "conflict",
  "data_dir_in_use",
  "database_busy",
  "database_unavailable",
  "database_too_new",
  "forbidden",
  "idempotency_conflict",
  "internal",
  "invalid_body",
  "invalid_json",
  "invalid_request",
  "invalid_setting",
  "json_too_deep",
  "lease_lost",
  "locked",
  "method_not_allowed",
  "not_found",
  "outbound_refused",
  "payload_too_large",
  "rate_limit_exceeded",
  "stale_attempt",
  "timeout",
  "unauthorized",
  "unavailable",
  "unknown_model",
  "unknown_workflow",
  "unsupported_media_type",
  "validation_failed",
] as const;

export type ProblemCode = (typeof PROBLEM_CODES)[number];

/** One wrong field of a request: where it is, what is wrong with it, and how to mend it. */
export interface FieldProblem {
  /** JSON pointer into the body, or `query/<name>`. */
  path: string;
  message: string;
}

/**
 * An expected failure that a person has to read.
 * `message` says what is wrong (with the offending value), `hint` says what to do.
 */
export class Problem extends Error {
  override readonly name = "Problem";
  readonly code: ProblemCode;
  readonly hint: string;
  /** Further members of the problem response, e.g. `errors` or `retry_after_seconds`. Never a secret. */
  readonly details: Record<string, unknown>;

  constructor(
    code: ProblemCode,
    message: string,
    hint: string,
    details: Record<string, unknown> & { cause?: unknown } = {},
  ) {
    const { cause, ...rest } = details;
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.hint = hint;
    this.details = rest;
  }
}

/** The nearest of `known` to `word`, if it is near enough to be what was meant (edit distance). */
export function didYouMean(word: string, known: readonly string[]): string | null {
  const lower = word.toLowerCase();
  const longer = known.find((candidate) => lower.length >= 3 && candidate.toLowerCase().startsWith(lower));
  if (longer) return longer;
  let best: string | null = null;
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(lower, candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** Edit distance with swapped neighbours as one edit; words are names, so quadratic time does not matter. */
function editDistance(a: string, b: string): number {
  if (a.length > 64 || b.length > 64) return Number.POSITIVE_INFINITY;
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const above = rows[i - 1] as number[];
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const edits = [above[j]! + 1, row[j - 1]! + 1, above[j - 1]! + cost];
      row.push(Math.min(...edits, swapped ? rows[i - 2]![j - 2]! + 1 : Number.POSITIVE_INFINITY));
    }
    rows.push(row);
  }
  return rows[a.length]![b.length]!;
}

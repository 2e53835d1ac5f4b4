/** Owns the ways in which a command can fail, and how each reads on stderr. Never shows a stack trace. */
import { didYouMean, type FieldProblem, Problem } from "@master-orchestrator/contract";
import { plain } from "./text.ts";

/** 0 done, 1 refused or failed, 2 wrong usage; 130 is what shells give to Ctrl-C. */
export const EXIT = { done: 0, failed: 1, usage: 2, interrupted: 130 } as const;

/** The command was written wrongly: exit code 2. */
export class UsageError extends Error {
  readonly hint: string | null;
  constructor(message: string, hint: string | null = null) {
    super(message);
    this.hint = hint;
  }
}

/** Something outside is not as it has to be (a file, a key, an answer): exit code 1. */
export class Failure extends Error {
  readonly hint: string | null;
  constructor(message: string, hint: string | null = null) {
    super(message);
    this.hint = hint;
  }
}

/** Nobody answered, or not in time, or not as an orchestrator does. Whether the request was carried out is unknown. */
export class Unreachable extends Failure {
  /** True where no connection came about, so that surely nothing was carried out. */
  readonly refusedConnection: boolean;
  constructor(message: string, hint: string | null, refusedConnection = false) {
    super(message, hint);
    this.refusedConnection = refusedConnection;
  }
}

/** The API said no: a problem response, as it came. */
export class Refusal extends Error {
  readonly status: number;
  readonly code: string;
  readonly hint: string;
  readonly errors: readonly FieldProblem[];
  /** From Retry-After; null without one. */
  readonly retryAfterMs: number | null;
  /** The whole problem response, for --json. */
  readonly body: unknown;

  constructor(status: number, body: unknown, retryAfterMs: number | null) {
    const problem = (typeof body === "object" && body !== null ? body : {}) as Record<string, unknown>;
    super(String(problem.detail ?? problem.title ?? `HTTP status ${status}`));
    this.status = status;
    this.code = String(problem.code ?? `http_${status}`);
    this.hint = typeof problem.hint === "string" ? problem.hint : "";
    this.errors = Array.isArray(problem.errors) ? problem.errors.filter(isFieldProblem) : [];
    this.retryAfterMs = retryAfterMs;
    this.body = body;
  }
}

function isFieldProblem(value: unknown): value is FieldProblem {
  const each = value as Partial<FieldProblem> | null;
  return typeof each?.path === "string" && typeof each.message === "string";
}

/** Ctrl-C came. `message` says what is left undone. */
export class Interrupted extends Error {
  readonly hint: string | null = null;
}

/** The exit code that belongs to a failure. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError) return EXIT.usage;
  if (error instanceof Interrupted) return EXIT.interrupted;
  return EXIT.failed;
}

/** The lines that tell a person about a failure. A bug of ours is told by its message alone. */
export function failureLines(error: unknown): string[] {
  if (error instanceof Refusal) {
    const lines = [`refused (${plain(error.code)}): ${plain(error.message)}`];
    if (error.hint) lines.push(`hint: ${plain(error.hint)}`);
    return [...lines, ...fieldLines(error.errors)];
  }
  if (error instanceof Problem) {
    const errors = Array.isArray(error.details.errors) ? error.details.errors.filter(isFieldProblem) : [];
    return [
      `refused (${error.code}): ${plain(error.message)}`,
      `hint: ${plain(error.hint)}`,
      ...fieldLines(errors),
    ];
  }
  if (error instanceof UsageError || error instanceof Failure || error instanceof Interrupted) {
    const lines = [error instanceof UsageError ? `error: ${plain(error.message)}` : plain(error.message)];
    return error.hint ? [...lines, `hint: ${plain(error.hint)}`] : lines;
  }
  const message = error instanceof Error ? error.message : String(error);
  return [`unexpected: ${plain(message)}`, "hint: this is a bug of the command line; please report it."];
}

function fieldLines(errors: readonly FieldProblem[]): string[] {
  return errors.map((each) => `  ${plain(each.path)}: ${plain(each.message)}`);
}

/** One of a closed list of words, in whatever case, or a UsageError that says which was probably meant. */
export function oneOf<const Words extends readonly string[]>(
  what: string,
  words: Words,
  value: string,
): Words[number] {
  const found = words.find((word) => word.toLowerCase() === value.toLowerCase().replaceAll("-", "_"));
  if (found !== undefined) return found;
  const meant = didYouMean(value, words);
  throw new UsageError(
    `"${value}" is no ${what}`,
    meant ? `did you mean "${meant}"?` : `one of: ${words.join(", ")}`,
  );
}

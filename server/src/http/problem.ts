/** The one place where a failure becomes an HTTP answer. Knows every code's status; never tells a stack trace or a path. */
import { randomUUID } from "node:crypto";
import { Problem, type ProblemCode } from "@master-orchestrator/contract";
import type { Log } from "#log.ts";
import { isDatabaseOutage } from "#store/outage.ts";
import type { Answer } from "./route.ts";

export interface ProblemKind {
  status: number;
  title: string;
}

/** Status and title of every code. A code that is missing here does not compile. */
export const PROBLEM_KINDS: Record<ProblemCode, ProblemKind> = {
  already_claimed: { status: 409, title: "Another run has claimed this attempt" },
  archive_damaged: { status: 409, title: "The archive is not what was written" },
  budget_exhausted: { status: 402, title: "The day's budget does not allow it" },
  conflict: { status: 409, title: "The state has changed meanwhile" },
  data_dir_in_use: { status: 503, title: "The data directory is in use" },
  database_busy: { status: 503, title: "All connections to the database are in use" },
  database_too_new: { status: 503, title: "The database belongs to a newer version" },
  database_unavailable: { status: 503, title: "The database cannot be reached" },
  forbidden: { status: 403, title: "Not allowed" },
  idempotency_conflict: { status: 409, title: "The idempotency key belongs to another request" },
  internal: { status: 500, title: "An unexpected error" },
  invalid_body: { status: 400, title: "The body cannot be used" },
  invalid_json: { status: 400, title: "The body is not valid JSON" },
  invalid_request: { status: 400, title: "The request is malformed" },
  invalid_setting: { status: 500, title: "A setting is wrong" },
  json_too_deep: { status: 400, title: "The body is nested too deep" },
  lease_lost: { status: 409, title: "The lease is not held any more" },
  locked: { status: 409, title: "Another one holds the lock" },
  method_not_allowed: { status: 405, title: "The method is not supported here" },
  not_found: { status: 404, title: "Not found" },
  outbound_refused: { status: 422, title: "The address may not be called" },
  payload_too_large: { status: 413, title: "The body is too large" },
  rate_limit_exceeded: { status: 429, title: "No permit is free" },
  stale_attempt: { status: 409, title: "The attempt is over" },
  timeout: { status: 504, title: "It took too long" },
  unauthorized: { status: 401, title: "A valid key is needed" },
  unavailable: { status: 503, title: "Not available now" },
  unknown_model: { status: 422, title: "The model has no price" },
  unknown_workflow: { status: 422, title: "The workflow is not registered" },
  unsupported_media_type: { status: 415, title: "The content type is not supported" },
  validation_failed: { status: 422, title: "Some fields are wrong" },
};

export interface ProblemContext {
  /** Base of the `type` links; without it they are URNs. */
  publicUrl?: string;
  log?: Log;
  /** Where it happened, for the log only: `POST /api/v1/tasks`. */
  where?: string;
}

/** The answer to any thrown value. What nobody expected is logged under an incident id, and only that is told. */
export function problemAnswer(error: unknown, context: ProblemContext = {}): Answer {
  const problem = asProblem(error, context);
  const { status, title } = PROBLEM_KINDS[problem.code];
  const headers: Record<string, string> = {
    "content-type": "application/problem+json; charset=utf-8",
    "cache-control": "no-store",
  };
  const { headers: extra, ...details } = problem.details as { headers?: Record<string, string> };
  if (status === 401) headers["www-authenticate"] = 'Bearer realm="orchestrator"';
  const retryAfter = retryAfterSeconds(problem, status);
  if (retryAfter !== null) headers["retry-after"] = String(retryAfter);
  const type = context.publicUrl
    ? `${context.publicUrl}/docs/problems#${problem.code}`
    : `urn:master-orchestrator:problem:${problem.code}`;
  const body = {
    ...details,
    type,
    title,
    status,
    code: problem.code,
    detail: problem.message,
    hint: problem.hint,
  };
  return { status, headers: { ...headers, ...extra }, body };
}

/** Whole seconds that a client should wait: what the problem says, else 1 for what passes by itself. */
function retryAfterSeconds(problem: Problem, status: number): number | null {
  const told = problem.details.retry_after_seconds;
  if (typeof told === "number" && Number.isFinite(told)) return Math.max(1, Math.ceil(told));
  return status === 503 ? 1 : null;
}

function asProblem(error: unknown, context: ProblemContext): Problem {
  if (error instanceof Problem) {
    if (PROBLEM_KINDS[error.code].status !== 500) return error;
  } else if (isDatabaseOutage(error)) {
    context.log?.warn("The database cannot be reached", { where: context.where, error });
    return new Problem(
      "database_unavailable",
      "the database cannot be reached at the moment",
      "Nothing was changed as far as is known. Try again shortly; an idempotency key makes that safe.",
    );
  }
  const incident = randomUUID();
  context.log?.error("Unexpected error", { incident_id: incident, where: context.where, error });
  return new Problem(
    "internal",
    `an unexpected error, recorded as incident ${incident}`,
    "Look for the incident's id in the log of the orchestrator.",
    { incident_id: incident, instance: `urn:uuid:${incident}` },
  );
}

/**
 * The refusal of one field that its schema alone could not judge, in the shape in which schemas refuse;
 * `path` as in `/targets/0` or `query/cursor`.
 */
export function wrongField(path: string, message: string): Problem {
  const hint = "Correct this field; the schema is in /openapi.json.";
  return new Problem("validation_failed", `${path}: ${message}`, hint, { errors: [{ path, message }] });
}

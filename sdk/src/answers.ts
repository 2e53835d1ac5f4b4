/** Owns what a dispatch is answered with: statuses and bodies; never decides which. */
import type { Problem, ProblemCode } from "@master-orchestrator/contract";

const STATUS: Partial<Record<ProblemCode, number>> = {
  already_claimed: 409,
  conflict: 409,
  forbidden: 403,
  internal: 500,
  invalid_body: 400,
  invalid_json: 400,
  json_too_deep: 400,
  method_not_allowed: 405,
  not_found: 404,
  payload_too_large: 413,
  stale_attempt: 409,
  unauthorized: 401,
  unavailable: 503,
  unknown_workflow: 404,
  unsupported_media_type: 415,
  validation_failed: 422,
};

/** Tells the orchestrator that the work is taken: it waits for claim, heartbeat and callback. */
export function acceptedResponse(executionId: string): Response {
  return Response.json({ accepted: true, execution_id: executionId }, { status: 202 });
}

/** An RFC 9457 problem response. `details.status` overrides the code's own status, `details.retry_after_seconds` sets Retry-After. */
export function problemResponse(problem: Problem): Response {
  const { status: given, retry_after_seconds: retryAfter, ...details } = problem.details;
  const status = typeof given === "number" ? given : (STATUS[problem.code] ?? 500);
  const headers: Record<string, string> = { "content-type": "application/problem+json" };
  if (typeof retryAfter === "number") headers["retry-after"] = String(Math.ceil(retryAfter));
  const title = problem.code.replaceAll("_", " ");
  return Response.json(
    {
      type: "about:blank",
      title,
      status,
      code: problem.code,
      detail: problem.message,
      hint: problem.hint,
      ...details,
    },
    { status, headers },
  );
}

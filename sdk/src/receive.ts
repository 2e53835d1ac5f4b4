/** Owns the way from a raw request to a dispatch that may be trusted; never starts anything. */
import { DispatchMessage, Problem, validate } from "@master-orchestrator/contract";
import { parseStrictJson } from "@master-orchestrator/contract/json";
import { verify } from "@master-orchestrator/contract/signature";
import { parseTraceparent, type TraceContext } from "@master-orchestrator/contract/trace";

/** Ten tasks of 1.5 MB, and what is around them. */
const MAX_BODY_BYTES = 16 * 1024 * 1024;

const UNSIGNED: Record<"missing_headers" | "outside_tolerance" | "no_match", string> = {
  missing_headers:
    "the request is not signed: webhook-id, webhook-timestamp and webhook-signature are needed",
  outside_tolerance: "the signature is older or newer than 5 minutes",
  no_match: "the signature does not match the body",
};

/** A dispatch, and the address that everything about its execution starts with. */
export interface Dispatch {
  message: DispatchMessage;
  /** `…/api/v1/executions/{id}`, without a slash at the end. */
  executionUrl: string;
  /** Where the delivery stands in a trace, if it says so. */
  trace: TraceContext | null;
}

/**
 * Reads, authenticates and validates a dispatch for the workflow `type`. Fields that are not known
 * are ignored. Throws a Problem: `method_not_allowed`, `unsupported_media_type`, `payload_too_large`,
 * `unauthorized`, `invalid_json`, `json_too_deep`, `validation_failed`, `unknown_workflow`.
 */
export async function receive(
  request: Request,
  type: string,
  secret: string | undefined,
  nowMs: number,
): Promise<Dispatch> {
  if (request.method !== "POST") {
    throw new Problem(
      "method_not_allowed",
      `${request.method} is not answered here`,
      "POST a dispatch message.",
    );
  }
  const contentType = request.headers.get("content-type");
  if (contentType !== null && !/^application\/(.*\+)?json\s*(;|$)/i.test(contentType)) {
    throw new Problem("unsupported_media_type", `cannot read "${contentType}"`, "Send application/json.");
  }
  const bytes = await readBody(request);
  if (secret !== undefined) {
    const verified = verify(secret, request.headers, bytes, nowMs / 1000);
    if (!verified.ok) {
      throw new Problem(
        "unauthorized",
        UNSIGNED[verified.reason],
        "Register the workflow with the signing_secret it was started with, and keep both clocks in time.",
      );
    }
  }
  const message = validate(DispatchMessage, parseStrictJson(bytes));
  if (message.workflow_type !== type) {
    throw new Problem(
      "unknown_workflow",
      `this is "${type}", not "${message.workflow_type}"`,
      `Register this address as the webhook_url of "${type}".`,
    );
  }
  const trace = parseTraceparent(request.headers.get("traceparent"));
  return { message, executionUrl: executionUrlOf(message.callback_url), trace };
}

function executionUrlOf(callbackUrl: string): string {
  const url = new URL(callbackUrl);
  const path = /^(.+)\/callback$/.exec(url.pathname)?.[1];
  if ((url.protocol !== "http:" && url.protocol !== "https:") || !path) {
    throw new Problem(
      "validation_failed",
      "/callback_url: must be http(s) and end in /callback",
      "Send the callback_url of the contract: …/api/v1/executions/{id}/callback.",
    );
  }
  return `${url.origin}${path}`;
}

async function readBody(request: Request): Promise<Uint8Array> {
  if (Number(request.headers.get("content-length") ?? 0) > MAX_BODY_BYTES) throw tooLarge();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body ?? []) {
    size += chunk.byteLength;
    if (size > MAX_BODY_BYTES) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function tooLarge(): Problem {
  return new Problem(
    "payload_too_large",
    `a dispatch may have ${MAX_BODY_BYTES} bytes`,
    "Lower the workflow's batch.max, or send references instead of contents.",
  );
}

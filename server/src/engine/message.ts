/** The dispatch message of one attempt and its headers, as the contract words them. Sends nothing. */
import type { KeyObject } from "node:crypto";
import type { DispatchMessage, WebhookAuth } from "@master-orchestrator/contract";
import { sign } from "@master-orchestrator/contract/signature";
import { traceparentOf } from "@master-orchestrator/contract/trace";
import type { Delivery } from "#store/deliveries.ts";
import type { DeliveryTrace } from "./spans.ts";
import { executionToken } from "./tokens.ts";

export interface MessageContext {
  tokenSecret: KeyObject;
  /** Base of the callback and gateway addresses, without a trailing slash. */
  baseUrl: string;
  signingSecret: string | null;
  nowMs: number;
  trace: DeliveryTrace;
  /** Whether traces are collected. */
  traced: boolean;
}

/** The body as bytes and the headers that go with them; the signature is over exactly these bytes. */
export function composeMessage(
  delivery: Delivery,
  context: MessageContext,
): { body: Buffer; headers: Record<string, string> } {
  const { executionId, attempt } = delivery;
  const { baseUrl } = context;
  const message: DispatchMessage = {
    execution_id: executionId,
    parent_execution_id: delivery.parentExecutionId,
    attempt,
    workflow_type: delivery.workflowType,
    priority: delivery.priority,
    input_data: {
      tasks: delivery.tasks.map(({ task_id, content_type, payload, traceparent }, i) => ({
        ...{ task_id, content_type, payload },
        // Only where somebody traces, here or whoever enqueued it: to others a task is just what the contract says.
        ...(context.traced || traceparent ? { traceparent: traceparentOf(context.trace.attempts[i]!) } : {}),
      })) as DispatchMessage["input_data"]["tasks"],
      params: (delivery.settings.params ?? {}) as DispatchMessage["input_data"]["params"],
    },
    context: delivery.context as DispatchMessage["context"],
    timeout_seconds: delivery.timeoutMs / 1000,
    deadline: new Date(delivery.deadlineAtMs).toISOString(),
    callback_url: `${baseUrl}/api/v1/executions/${executionId}/callback`,
    gateway: { openai_base_url: `${baseUrl}/ai/openai/v1`, gemini_base_url: `${baseUrl}/ai/gemini` },
    authentication: { type: "bearer", token: executionToken(context.tokenSecret, { executionId, attempt }) },
  };
  const body = Buffer.from(JSON.stringify(message));
  return {
    body,
    headers: {
      "content-type": "application/json",
      ...authHeaders(delivery.auth),
      ...standardHeaders(delivery.webhookId, body, context),
      traceparent: traceparentOf(context.trace.context),
    },
  };
}

function authHeaders(auth: WebhookAuth | null): Record<string, string> {
  switch (auth?.type) {
    case undefined:
      return {};
    case "header":
      return { [auth.name.toLowerCase()]: auth.value };
    case "bearer":
      return { authorization: `Bearer ${auth.token}` };
    case "basic":
      return { authorization: `Basic ${Buffer.from(`${auth.user}:${auth.password}`).toString("base64")}` };
  }
}

/** Without a secret nothing is signed, but the id is still there to drop duplicates by. */
function standardHeaders(id: string, body: Buffer, context: MessageContext): Record<string, string> {
  const seconds = Math.floor(context.nowMs / 1000);
  return context.signingSecret === null
    ? { "webhook-id": id, "webhook-timestamp": String(seconds) }
    : { ...sign(context.signingSecret, id, seconds, body) };
}

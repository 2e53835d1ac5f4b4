/** What the gateway tells a trace: the wait for a permit, and the call to the provider, in OpenTelemetry's words for both. */
import { type Span, spanBelow } from "@master-orchestrator/contract/trace";
import type { Settlement } from "#store/ledger.ts";
import type { Target, Walk } from "./walk.ts";

const SYSTEMS = { openai: "openai", gemini: "gcp.gemini" } as const;
const OPERATIONS: Readonly<Record<string, string>> = {
  chat: "chat",
  responses: "chat",
  completions: "text_completion",
  generate: "generate_content",
  embeddings: "embeddings",
  embed: "embeddings",
};

/** Tells how long a permit and the money were waited for; nothing in the time in which nobody waits. */
export function tracePermit(walk: Omit<Walk, "entryId">, startMs: number, verdict: string): void {
  const endMs = walk.context.clock.nowMs();
  if (verdict === "granted" && endMs === startMs) return;
  tell(walk, {
    ...{ name: "permit", kind: "internal", startMs, endMs },
    attributes: { "orchestrator.provider": walk.call.provider, "orchestrator.verdict": verdict },
    error: verdict === "granted" ? null : verdict,
  });
}

/** Tells of a call that was settled: what it used and cost. */
export function traceCall(
  walk: Walk,
  { provider, model, fallback }: Target,
  { startMs, settlement }: { startMs: number; settlement: Partial<Settlement> },
): void {
  const operation = OPERATIONS[walk.operation.form] ?? walk.operation.form;
  const { httpStatus = null, outcome = null, costMicros = null } = settlement;
  tell(walk, {
    ...{ name: `${operation} ${model}`.trim(), kind: "client", startMs, endMs: walk.context.clock.nowMs() },
    attributes: {
      "gen_ai.operation.name": operation,
      "gen_ai.provider.name": SYSTEMS[provider],
      "gen_ai.request.model": model || null,
      "gen_ai.usage.input_tokens": settlement.inputTokens ?? null,
      "gen_ai.usage.output_tokens": settlement.outputTokens ?? null,
      "http.response.status_code": httpStatus,
      "orchestrator.entry_id": walk.entryId,
      "orchestrator.outcome": outcome,
      "orchestrator.cost_usd": costMicros === null ? null : costMicros / 1e6,
      "orchestrator.fallback_for": fallback?.model ?? null,
    },
    error: httpStatus === null ? "no answer" : httpStatus >= 400 ? `status ${httpStatus}` : null,
  });
}

function tell({ context, call }: Omit<Walk, "entryId">, span: Omit<Span, "context" | "parentSpanId">): void {
  if (!context.tracer || !call.trace) return;
  context.tracer({ ...span, context: spanBelow(call.trace), parentSpanId: call.trace.spanId });
}

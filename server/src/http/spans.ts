/** Where requests stand in traces, for the routes that take part in them. Records nothing when nobody traces. */
import {
  parseTraceparent,
  spanBelow,
  type TraceContext,
  type Tracer,
} from "@master-orchestrator/contract/trace";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Route } from "./route.ts";

/** Of a request that is traced: its own span, told when the answer has left. Else what its `traceparent` says, if anything. */
export function traceRequest(
  route: Route,
  { request, reply }: { request: FastifyRequest; reply: FastifyReply },
  { tracer, nowMs }: { tracer: Tracer | null; nowMs: () => number },
): TraceContext | null {
  if (!route.traced) return null;
  const header = request.headers.traceparent;
  const parent = parseTraceparent(Array.isArray(header) ? null : header);
  if (!tracer || (parent === null && route.traced === "joins")) return parent;
  const context = spanBelow(parent);
  const startMs = nowMs();
  reply.raw.once("close", () => {
    const { statusCode } = reply;
    tracer({
      ...{ name: `${route.method} ${route.path}`, kind: "server", context, startMs, endMs: nowMs() },
      parentSpanId: parent?.spanId ?? null,
      attributes: {
        "http.request.method": route.method,
        "http.route": route.path,
        "http.response.status_code": statusCode,
      },
      error: statusCode >= 500 ? `status ${statusCode}` : null,
    });
  });
  return context;
}

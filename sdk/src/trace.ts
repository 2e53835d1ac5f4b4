/** Owns where an author's work stands in a trace: tasks and steps as spans; never sends one anywhere itself. */
import { AsyncLocalStorage } from "node:async_hooks";
import {
  spanBelow,
  type TraceContext,
  type Tracer,
  traceparentOf,
} from "@master-orchestrator/contract/trace";
import type { Clock } from "./clock.ts";
import { messageOf } from "./result.ts";

/** The span that the running code is part of. */
const current = new AsyncLocalStorage<TraceContext>();

/** `{ traceparent }` for what the running code calls; nothing outside of a traced dispatch. */
export function traceHeaders(): Record<string, string> {
  const context = current.getStore();
  return context ? { traceparent: traceparentOf(context) } : {};
}

export interface Tracing {
  /** Undefined: spans are not told, but what is called learns of the trace all the same. */
  tracer: Tracer | undefined;
  clock: Clock;
}

/** Does `work` as a span below `parent`, or below what the running code is part of. Adds nothing to how it ends. */
export function traced<T>(
  { tracer, clock }: Tracing,
  span: {
    name: string;
    parent?: TraceContext | null;
    attributes: Record<string, string | number>;
    /** Why work that did not throw has failed all the same. */
    failure?: () => string | null;
  },
  work: () => Promise<T>,
): Promise<T> {
  const parent = span.parent ?? current.getStore();
  if (!parent) return work();
  if (!tracer) return current.run(parent, work);
  const context = spanBelow(parent);
  const { name, attributes } = span;
  const startMs = clock.now();
  const began = clock.elapsed();
  const tell = (error: string | null) => {
    const endMs = startMs + clock.elapsed() - began;
    tracer({
      name,
      kind: "internal",
      context,
      parentSpanId: parent.spanId,
      startMs,
      endMs,
      attributes,
      error,
    });
  };
  return current.run(context, async () => {
    try {
      const value = await work();
      tell(span.failure?.() ?? null);
      return value;
    } catch (error) {
      tell(messageOf(error));
      throw error;
    }
  });
}

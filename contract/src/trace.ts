/** Traces on the wire: W3C `traceparent`, and the spans whose ids follow from rows. Records and sends nothing. */

/** Where something stands in a trace. Ids are lower-case hex: 32 letters and 16. */
export interface TraceContext {
  traceId: string;
  spanId: string;
  /** Whether whoever began the trace wants it recorded. */
  sampled: boolean;
}

export type SpanKind = "internal" | "server" | "client" | "producer" | "consumer";

/** What was done from when to when, as a part of a trace; told once it is over. Times are epoch milliseconds. */
export interface Span {
  name: string;
  kind: SpanKind;
  context: TraceContext;
  /** Null for the first of its trace. */
  parentSpanId: string | null;
  startMs: number;
  endMs: number;
  /** Null values are left out. */
  attributes: Readonly<Record<string, string | number | boolean | null>>;
  /** Other traces that it belongs to as well. */
  links?: readonly TraceContext[];
  /** Why it failed; null or absent when it did not. */
  error?: string | null;
}

/** Takes a span that is over. Returns at once and never throws. */
export type Tracer = (span: Span) => void;

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const NO_TRACE = "0".repeat(32);
const NO_SPAN = "0".repeat(16);

/** Null for a header that is not there or that the standard tells to ignore. */
export function parseTraceparent(header: string | null | undefined): TraceContext | null {
  const [, version, traceId, spanId, flags, rest] = TRACEPARENT.exec(header?.trim() ?? "") ?? [];
  if (version === undefined || version === "ff" || traceId === NO_TRACE || spanId === NO_SPAN) return null;
  // Later versions may say more; what they say first is the same.
  if (version === "00" && rest !== undefined) return null;
  return { traceId: traceId!, spanId: spanId!, sampled: (Number.parseInt(flags!, 16) & 1) === 1 };
}

export function traceparentOf({ traceId, spanId, sampled }: TraceContext): string {
  return `00-${traceId}-${spanId}-${sampled ? "01" : "00"}`;
}

/** A new span below `parent`; without one, the first of a new trace. */
export function spanBelow(parent: TraceContext | null): TraceContext {
  return parent
    ? { ...parent, spanId: chance(8) }
    : { traceId: chance(16), spanId: chance(8), sampled: true };
}

/**
 * The span of a task's whole life. It lies in the trace that its row names (`traceparent`, whose span is its parent),
 * else it begins one whose id is the task's own: so every process knows it without asking another.
 */
export function taskSpan(
  taskId: string,
  traceparent: string | null,
): { context: TraceContext; parentSpanId: string | null } {
  const given = parseTraceparent(traceparent);
  const own = idSpan(taskId);
  if (given === null) return { context: own, parentSpanId: null };
  return { context: { ...given, spanId: own.spanId }, parentSpanId: given.spanId };
}

/** The span whose ids are those of a UUID: a cycle, or an execution over tasks of several traces. */
export function idSpan(id: string): TraceContext {
  const hex = id.replaceAll("-", "").toLowerCase();
  return { traceId: hex, spanId: hex.slice(16), sampled: true };
}

/** The span of one attempt at one task, below the task's own. */
export function attemptSpan(task: TraceContext, executionId: string, attempt: number): TraceContext {
  const mixed = BigInt(`0x${task.spanId}`) ^ BigInt(`0x${idSpan(executionId).spanId}`);
  const spanId = BigInt.asUintN(64, mixed + BigInt(attempt))
    .toString(16)
    .padStart(16, "0");
  return { ...task, spanId: spanId === NO_SPAN ? task.spanId : spanId };
}

/** Cut from the end of a random UUID: the system's random bytes are asked for many UUIDs at once. Never all zeros. */
function chance(bytes: number): string {
  return crypto
    .randomUUID()
    .replaceAll("-", "")
    .slice(-2 * bytes);
}

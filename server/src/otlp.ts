/** Spans in OTLP's JSON form (opentelemetry-proto 1.x), as collectors take them over HTTP. Sends nothing. */
import type { Span, SpanKind, TraceContext } from "@master-orchestrator/contract/trace";

const KINDS: Readonly<Record<SpanKind, number>> = {
  internal: 1,
  server: 2,
  client: 3,
  producer: 4,
  consumer: 5,
};
const STATUS_ERROR = 2;
const MOST_LINKS = 128;

type Value = string | number | boolean;

/** One request's body: the spans of one process, which `resource` describes. */
export function otlpBody(resource: Readonly<Record<string, Value>>, spans: readonly Span[]): string {
  return JSON.stringify({
    resourceSpans: [
      {
        resource: { attributes: keyValues(resource), droppedAttributesCount: 0 },
        scopeSpans: [{ scope: { name: "master-orchestrator" }, spans: spans.map(spanJson) }],
      },
    ],
  });
}

function spanJson(span: Span) {
  const links = span.links ?? [];
  return {
    ...contextJson(span.context),
    ...(span.parentSpanId === null ? {} : { parentSpanId: span.parentSpanId }),
    name: span.name,
    kind: KINDS[span.kind],
    startTimeUnixNano: nanos(span.startMs),
    endTimeUnixNano: nanos(Math.max(span.startMs, span.endMs)),
    attributes: keyValues(span.attributes),
    droppedAttributesCount: 0,
    events: [],
    droppedEventsCount: 0,
    status: span.error ? { code: STATUS_ERROR, message: span.error } : { code: 0 },
    links: links
      .slice(0, MOST_LINKS)
      .map((link) => ({ ...contextJson(link), attributes: [], droppedAttributesCount: 0 })),
    droppedLinksCount: Math.max(0, links.length - MOST_LINKS),
  };
}

function contextJson({ traceId, spanId, sampled }: TraceContext) {
  return { traceId, spanId, flags: sampled ? 1 : 0 };
}

/** As a text: it is more than a number holds exactly. */
function nanos(ms: number): string {
  return `${BigInt(Math.round(ms * 1_000)) * 1_000n}`;
}

function keyValues(attributes: Readonly<Record<string, Value | null>>) {
  return Object.entries(attributes).flatMap(([key, value]) =>
    value === null ? [] : [{ key, value: anyValue(value) }],
  );
}

function anyValue(value: Value) {
  if (typeof value === "string") return { stringValue: value };
  if (typeof value === "boolean") return { boolValue: value };
  return Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: value };
}

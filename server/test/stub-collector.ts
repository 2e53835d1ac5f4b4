/** Owns an OpenTelemetry collector for tests: takes OTLP's JSON over HTTP and keeps the spans. */
import { createServer } from "node:http";
import type { TestContext } from "node:test";

export interface CollectedSpan {
  name: string;
  kind: number;
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  /** By name, as plain values. */
  told: Record<string, string | number | boolean>;
  links: { traceId: string; spanId: string }[];
  status: { code: number; message?: string };
}

export interface StubCollector {
  /** Settings for a house that sends its traces here. */
  env: Record<string, string>;
  spans: CollectedSpan[];
  /** The last request's own words about who sent it. */
  resource: Record<string, string | number | boolean>;
  /** The next requests are answered so, and not taken. */
  refuse(...statuses: number[]): void;
  requests: number;
}

type KeyValue = { key: string; value: Record<string, string | number | boolean> };

function plain(attributes: KeyValue[]): Record<string, string | number | boolean> {
  return Object.fromEntries(
    attributes.map(({ key, value }) => {
      const [[kind, told]] = Object.entries(value) as [[string, string | number | boolean]];
      return [key, kind === "intValue" ? Number(told) : told];
    }),
  );
}

export async function stubCollector(t: TestContext): Promise<StubCollector> {
  const refusals: number[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    collector.requests++;
    const refusal = refusals.shift();
    const right = request.url === "/v1/traces" && request.headers["content-type"] === "application/json";
    if (refusal === undefined && right) {
      const [{ resource, scopeSpans }] = JSON.parse(Buffer.concat(chunks).toString()).resourceSpans;
      collector.resource = plain(resource.attributes);
      for (const span of scopeSpans[0].spans) collector.spans.push({ ...span, told: plain(span.attributes) });
    }
    response.writeHead(refusal ?? (right ? 200 : 404), { "content-type": "application/json" });
    response.end("{}");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  const collector: StubCollector = {
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: url },
    spans: [],
    resource: {},
    refuse: (...statuses) => void refusals.push(...statuses),
    requests: 0,
  };
  return collector;
}

/** Owns a provider for tests: speaks OpenAI's and Gemini's words, keeps its own log of what arrived, and is the judge. */
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { TestContext } from "node:test";
import { hang } from "./activity.ts";

export interface Arrival {
  /** By the clock that the test gave. */
  atMs: number;
  method: string;
  path: string;
  query: string;
  headers: IncomingHttpHeaders;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into bodies as they please
  body: any;
  text: string;
  /** What it will be billed, in tokens; null if it will not. */
  billed: Usage | null;
}

export interface Usage {
  input: number;
  cached?: number;
  output: number;
  thinking?: number;
}

/** What the provider does instead of answering well. */
export type Fault =
  | { kind: "status"; status: number; headers?: Record<string, string>; body: unknown }
  | { kind: "bytes"; headers?: Record<string, string>; bytes: Uint8Array }
  | { kind: "hang" }
  | { kind: "cut"; afterEvents: number }
  | { kind: "nonsense"; type?: string; text?: string }
  | { kind: "no_usage" }
  | { kind: "usage"; usage: unknown };

export interface StubProvider {
  /** Without a version path: Gemini's base; OpenAI's is this and `/v1`. */
  url: string;
  arrivals: Arrival[];
  /** Settings for a house that calls nobody else. */
  env: Record<string, string>;
  /** The next call fares so; several calls, several faults. */
  next(...faults: Fault[]): void;
  /** What every call uses, unless told: 10 in, 20 out. */
  uses(usage: Usage | ((arrival: Arrival) => Usage)): void;
  /** How calls fare for which `next` says nothing. */
  fares(by: (arrival: Arrival) => Fault | undefined): void;
  /** What a whole answer to a call says, instead of "Hello there"; null: that. */
  says(answer: (arrival: Arrival) => string | null): void;
  /** How long a call takes before its answer begins; at once, unless told. */
  takes(wait: (arrival: Arrival) => Promise<void>): void;
  /** Streams wait before their last event until this is called. */
  holdStreams(): () => void;
  /** The most arrivals in any window of so long, by its own log. */
  mostIn(windowMs: number): number;
  close(): void;
}

const TEXT = ["Hel", "lo ", "there"];

/** A provider that is gone when the test ends. */
export async function stubProvider(
  t: Pick<TestContext, "after">,
  nowMs: () => number = Date.now,
): Promise<StubProvider> {
  const arrivals: Arrival[] = [];
  const faults: Fault[] = [];
  let usageOf: (arrival: Arrival) => Usage = () => ({ input: 10, output: 20 });
  let faultOf: (arrival: Arrival) => Fault | undefined = () => undefined;
  let say: (arrival: Arrival) => string | null = () => null;
  let take: (arrival: Arrival) => Promise<void> = async () => {};
  let gate: Promise<void> = Promise.resolve();
  const server = createServer(async (incoming, outgoing) => {
    const chunks: Buffer[] = [];
    const { method = "", url = "", headers } = incoming;
    const atMs = nowMs();
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const { pathname: path, search: query } = new URL(url, "http://stub");
    const body = parse(text);
    const arrival: Arrival = { atMs, method, path, query, headers, body, text, billed: null };
    arrivals.push(arrival);
    const fault = faults.shift() ?? faultOf(arrival);
    if (fault?.kind !== "hang") await take(arrival);
    const words = say(arrival) ?? TEXT.join("");
    await answer(arrival, outgoing, { usage: usageOf(arrival), fault, gate, text: words });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  t.after(close);
  const url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  return {
    url,
    arrivals,
    env: {
      OPENAI_API_KEY: "the-real-openai-key",
      OPENAI_BASE_URL: `${url}/v1`,
      GEMINI_API_KEY: "the-real-gemini-key",
      GEMINI_BASE_URL: url,
    },
    next: (...more) => void faults.push(...more),
    uses(given) {
      usageOf = typeof given === "function" ? given : () => given;
    },
    fares(by) {
      faultOf = by;
    },
    says(given) {
      say = given;
    },
    takes(wait) {
      take = wait;
    },
    holdStreams() {
      const { promise, resolve } = Promise.withResolvers<void>();
      gate = promise;
      return resolve;
    },
    mostIn: (windowMs) => mostIn(arrivals, windowMs),
    close,
  };
}

/** The most of these arrivals in any window of so long. */
export function mostIn(arrivals: readonly Arrival[], windowMs: number): number {
  const times = arrivals.map(({ atMs }) => atMs).sort((a, b) => a - b);
  const endingAt = (end: number, last: number) =>
    last + 1 - times.findIndex((start) => start > end - windowMs);
  return Math.max(0, ...times.map(endingAt));
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

interface Mood {
  usage: Usage;
  fault: Fault | undefined;
  gate: Promise<void>;
  /** What a whole answer says; streams and the responses API say the usual. */
  text: string;
}

async function answer(arrival: Arrival, outgoing: ServerResponse, mood: Mood): Promise<void> {
  const { fault } = mood;
  if (fault?.kind === "hang") {
    arrival.billed = mood.usage;
    const over = hang(`POST http://${arrival.headers.host}${arrival.path}${arrival.query}`);
    outgoing.once("close", over);
    return;
  }
  if (fault?.kind === "status") {
    outgoing.writeHead(fault.status, { "content-type": "application/json", ...fault.headers });
    outgoing.end(typeof fault.body === "string" ? fault.body : JSON.stringify(fault.body));
    return;
  }
  if (fault?.kind === "bytes") {
    outgoing.writeHead(200, { "content-type": "application/json", ...fault.headers });
    outgoing.end(fault.bytes);
    return;
  }
  if (fault?.kind === "nonsense") {
    arrival.billed = mood.usage;
    outgoing.writeHead(200, { "content-type": fault.type ?? "text/html" });
    outgoing.end(fault.text ?? "<html>hello</html>");
    return;
  }
  const said = document(arrival, mood);
  if (said.stream) await stream(said.stream, outgoing, mood);
  else {
    outgoing.writeHead(200, { "content-type": "application/json" });
    outgoing.end(JSON.stringify(said.body));
  }
}

type Said = { body: unknown; stream?: undefined } | { stream: string[]; body?: undefined };

function document(arrival: Arrival, { usage, fault, text }: Mood): Said {
  const { path, body } = arrival;
  const told = fault?.kind !== "no_usage";
  const given = fault?.kind === "usage" ? fault.usage : undefined;
  if (arrival.method === "GET")
    return { body: { object: "list", data: [{ id: "gpt-4o-mini", object: "model" }] } };
  if (path.endsWith(":countTokens")) return { body: { totalTokens: usage.input } };
  arrival.billed = path.endsWith("/embeddings") || /embed/i.test(path) ? { ...usage, output: 0 } : usage;
  if (path.includes(":")) return gemini(arrival, { usage, told, given, text });
  if (path.endsWith("/embeddings")) {
    const data = [{ object: "embedding", index: 0, embedding: [0.1, 0.2] }];
    const used = { prompt_tokens: usage.input, total_tokens: usage.input };
    return { body: { object: "list", data, model: body.model, ...(told ? { usage: given ?? used } : {}) } };
  }
  if (path.endsWith("/responses")) return responses(arrival, usage);
  return chat(arrival, { usage, told, given, text });
}

interface Telling {
  usage: Usage;
  told: boolean;
  given: unknown;
  text: string;
}

function chat({ body }: Arrival, { usage, told, given, text }: Telling): Said {
  const used = given ?? {
    prompt_tokens: usage.input,
    completion_tokens: usage.output,
    total_tokens: usage.input + usage.output,
    prompt_tokens_details: { cached_tokens: usage.cached ?? 0 },
    completion_tokens_details: { reasoning_tokens: usage.thinking ?? 0 },
  };
  const base = { id: "chatcmpl-1", created: 1, model: body.model };
  if (!body.stream) {
    const choices = [{ index: 0, message: { role: "assistant", content: text }, finish_reason: "stop" }];
    return { body: { ...base, object: "chat.completion", choices, ...(told ? { usage: used } : {}) } };
  }
  const wanted = body.stream_options?.include_usage === true;
  const chunk = (choices: unknown[], more: object = wanted ? { usage: null } : {}) =>
    JSON.stringify({ ...base, object: "chat.completion.chunk", choices, ...more });
  const events = TEXT.map((content, i) =>
    chunk([{ index: 0, delta: i === 0 ? { role: "assistant", content } : { content }, finish_reason: null }]),
  );
  events.push(chunk([{ index: 0, delta: {}, finish_reason: "stop" }]));
  if (wanted && told) events.push(chunk([], { usage: used }));
  return { stream: [...events, "[DONE]"] };
}

function responses({ body }: Arrival, usage: Usage): Said {
  const used = {
    input_tokens: usage.input,
    input_tokens_details: { cached_tokens: usage.cached ?? 0 },
    output_tokens: usage.output,
    output_tokens_details: { reasoning_tokens: usage.thinking ?? 0 },
    total_tokens: usage.input + usage.output,
  };
  const message = {
    ...{ type: "message", id: "msg_1", status: "completed", role: "assistant" },
    content: [{ type: "output_text", text: TEXT.join(""), annotations: [] }],
  };
  const base = { id: "resp_1", object: "response", created_at: 1, model: body.model };
  const whole = { ...base, status: "completed", output: [message], usage: used };
  if (!body.stream) return { body: whole };
  const created = {
    type: "response.created",
    response: { ...base, status: "in_progress", output: [], usage: null },
  };
  const item = { type: "response.output_item.added", output_index: 0, item: { ...message, content: [] } };
  const delta = { type: "response.output_text.delta", item_id: "msg_1", output_index: 0, content_index: 0 };
  const events = [
    created,
    item,
    ...TEXT.map((text) => ({ ...delta, delta: text })),
    { type: "response.output_item.done", output_index: 0, item: message },
    { type: "response.completed", response: whole },
  ];
  return { stream: events.map((event) => JSON.stringify(event)) };
}

function gemini({ path, query }: Arrival, { usage, told, given, text }: Telling): Said {
  const all = {
    promptTokenCount: usage.input,
    ...(usage.cached ? { cachedContentTokenCount: usage.cached } : {}),
    candidatesTokenCount: usage.output - (usage.thinking ?? 0),
    ...(usage.thinking ? { thoughtsTokenCount: usage.thinking } : {}),
    totalTokenCount: usage.input + usage.output,
  };
  const metadata = (parts: object) => (told ? { usageMetadata: given ?? parts } : {});
  if (path.endsWith("mbedContent") || path.endsWith("mbedContents")) {
    const { promptTokenCount } = all;
    return { body: { embedding: { values: [0.1, 0.2] }, ...metadata({ promptTokenCount }) } };
  }
  const candidate = (words: string, finishReason?: string) => ({
    candidates: [
      {
        content: { role: "model", parts: [{ text: words }] },
        index: 0,
        ...(finishReason ? { finishReason } : {}),
      },
    ],
    modelVersion: "stub",
  });
  if (!path.endsWith(":streamGenerateContent"))
    return { body: { ...candidate(text, "STOP"), ...metadata(all) } };
  // Totals are cumulative: each event tells what was used so far.
  const events = TEXT.map((words, i) => {
    const last = i === TEXT.length - 1;
    const soFar = {
      ...all,
      candidatesTokenCount: Math.floor((all.candidatesTokenCount * (i + 1)) / TEXT.length),
    };
    return { ...candidate(words, last ? "STOP" : undefined), ...metadata(soFar) };
  });
  if (query.includes("alt=sse")) return { stream: events.map((event) => JSON.stringify(event)) };
  return { body: events };
}

async function stream(events: string[], outgoing: ServerResponse, { fault, gate }: Mood): Promise<void> {
  outgoing.writeHead(200, { "content-type": "text/event-stream" });
  for (const [i, event] of events.entries()) {
    if (fault?.kind === "cut" && i === fault.afterEvents) return void outgoing.destroy();
    if (i === events.length - 1) await gate;
    // A slow line: events come in pieces, which break anywhere.
    const bytes = Buffer.from(`data: ${event}\n\n`);
    const half = Math.floor(bytes.length / 2);
    for (const piece of [bytes.subarray(0, half), bytes.subarray(half)]) {
      outgoing.write(piece);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  outgoing.end();
}

/** Owns, for the tests alone, an HTTP server that plays the API and a terminal that remembers. Never part of the product. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable, Writable } from "node:stream";
import { json } from "node:stream/consumers";
import type { TestContext } from "node:test";
import { run } from "./program.ts";
import type { Terminal } from "./terminal.ts";

export const KEY = "mo_test_0123456789abcdef";

export interface StubRequest {
  method: string;
  path: string;
  query: Record<string, string>;
  authorization: string | undefined;
  body: { tasks: Record<string, unknown>[] } & Record<string, unknown>;
}

export interface StubAnswer {
  status?: number;
  body?: unknown;
  headers?: Record<string, string>;
}

export interface Stub {
  url: string;
  requests: StubRequest[];
}

/** Starts a server that answers by `answer`, and stops it with the test. */
export async function startStub(t: TestContext, answer: (request: StubRequest) => StubAnswer): Promise<Stub> {
  const requests: StubRequest[] = [];
  const server = createServer(async (incoming, response) => {
    const request = await readRequest(incoming);
    requests.push(request);
    const { status = 200, body, headers } = answer(request);
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(typeof body === "string" ? body : JSON.stringify(body ?? {}));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
}

/** An address at which nothing listens. */
export async function deadUrl(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return `http://127.0.0.1:${port}`;
}

async function readRequest(incoming: IncomingMessage): Promise<StubRequest> {
  const url = new URL(incoming.url!, "http://stub");
  return {
    method: incoming.method!,
    path: url.pathname,
    query: Object.fromEntries(url.searchParams),
    authorization: incoming.headers.authorization,
    body: (incoming.method === "GET" || incoming.method === "DELETE"
      ? {}
      : await json(incoming)) as StubRequest["body"],
  };
}

/** A queue as the real one answers: a key that is known is a duplicate. */
export function fakeQueue(): (request: StubRequest) => StubAnswer {
  const known = new Map<string, string>();
  return ({ body }) => {
    const tasks = body.tasks.map((task) => {
      const key = String(task.idempotency_key);
      const duplicate = known.has(key);
      if (!duplicate) known.set(key, taskId(known.size + 1));
      return { task_id: known.get(key)!, status: "queued", duplicate };
    });
    return { status: 202, body: { tasks } };
  };
}

/** The id of the n-th task. */
export function taskId(n: number): string {
  return `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`;
}

/** A problem response. */
export function problem(status: number, code: string, more: Record<string, unknown> = {}): StubAnswer {
  const body = {
    type: "about:blank",
    title: code,
    status,
    code,
    detail: `it is ${code}`,
    hint: "mend it",
    ...more,
  };
  return { status, body };
}

export interface Surroundings {
  files?: Record<string, string | Buffer>;
  env?: Record<string, string>;
  stdin?: Readable;
  isTTY?: boolean;
  columns?: number;
}

export interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
  /** Milliseconds that the command would have slept. */
  sleptMs: number;
  folder: string;
}

/** Runs one command line in this process, in an own folder, with a clock that moves by sleeping only. */
export async function command(
  t: TestContext,
  url: string,
  line: string[],
  around: Surroundings = {},
): Promise<Outcome> {
  const folder = mkdtempSync(join(tmpdir(), "orchestrator-cli-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(around.files ?? {}))
    writeFileSync(join(folder, name), content);
  const stdout = new Memory(around);
  const stderr = new Memory(around);
  let clock = Date.parse("2026-12-01T09:00:00Z");
  let sleptMs = 0;
  const terminal: Terminal = {
    stdin: around.stdin ?? Readable.from([]),
    stdout,
    stderr,
    env: { ORCHESTRATOR_URL: url, ORCHESTRATOR_API_KEY: KEY, ...around.env },
    cwd: folder,
    interrupt: new AbortController().signal,
    now: () => clock,
    async sleep(ms) {
      clock += ms;
      sleptMs += ms;
    },
  };
  const code = await run(line, terminal);
  return { code, stdout: stdout.text, stderr: stderr.text, sleptMs, folder };
}

class Memory extends Writable {
  text = "";
  isTTY: boolean;
  columns: number;

  constructor({ isTTY = false, columns = 80 }: Surroundings) {
    super({ decodeStrings: false });
    this.isTTY = isTTY;
    this.columns = columns;
  }

  override _write(chunk: string | Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

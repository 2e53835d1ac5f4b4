/** Owns a sub-workflow that does what a test tells it: a real HTTP server that records what it was sent. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type Callback, DispatchMessage } from "@master-orchestrator/contract";
import { verify } from "@master-orchestrator/contract/signature";
import { hang } from "./activity.ts";
import { type Answer, send } from "./http.ts";

export const SIGNING_SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/** What is answered to one delivery. */
export type Reply =
  | { status: number; headers?: Record<string, string>; body?: unknown }
  /** No answer at all, until the connection is given up or `close`. */
  | "hang"
  /** The connection is cut once the request has been read. */
  | "cut"
  | ((delivery: Delivery) => Reply | Promise<Reply>);

export const accept: Reply = { status: 202, body: { accepted: true } };
/** What n8n answers while it starts. */
export const bootingPage: Reply = {
  status: 200,
  headers: { "content-type": "text/html" },
  body: "<html><title>n8n is starting up. Please wait</title></html>",
};
/** Done at once: the answer is the callback. */
export const completeAtOnce: Reply = (delivery) => ({
  status: 200,
  body: { status: "completed", items: delivery.items() },
});

export interface Delivery {
  /** When it came, in the test's time. */
  atMs: number;
  /** Names in lower case. */
  headers: Record<string, string>;
  rawBody: Buffer;
  message: DispatchMessage;
  /** Whether the signature fits the secret and the test's time. */
  signed: boolean;
  path: string;
  taskIds: string[];
  token: string;
  /** One item for each task, completed unless told otherwise. */
  items(change?: Partial<NonNullable<Callback["items"]>[number]>): NonNullable<Callback["items"]>;
  claim(claimant?: string): Promise<Answer>;
  heartbeat(beat?: Record<string, unknown>): Promise<Answer>;
  save(key: string, taskId: string, value: unknown): Promise<Answer>;
  saved(taskId: string): Promise<Answer>;
  /** Calls back with the attempt of the message; `completed` unless told otherwise. */
  callback(callback?: Partial<Callback>): Promise<Answer>;
  /** Calls back that all failed. */
  fail(error?: NonNullable<Callback["error_data"]>): Promise<Answer>;
  /** Any other call under the execution's address, with the token unless another key is given. */
  call(method: string, path: string, body?: unknown, key?: string | null): Promise<Answer>;
}

export interface FakeSubWorkflow {
  url: string;
  deliveries: readonly Delivery[];
  /** The newest delivery; fails the test when there is none. */
  last(): Delivery;
  /** What is answered to the next deliveries, one each; after them again what `always` says. */
  next(...replies: Reply[]): void;
  /** What is answered from now on; `accept` at first. */
  always(reply: Reply): void;
  /** Cuts connections and stops listening. Idempotent. */
  close(): Promise<void>;
}

/** Listens on a free port of 127.0.0.1. `nowMs` is the time that signatures are judged by. */
export async function fakeSubWorkflow(nowMs: () => number): Promise<FakeSubWorkflow> {
  const deliveries: Delivery[] = [];
  const script: Reply[] = [];
  let standing: Reply = accept;
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const delivery = deliveryOf(request, Buffer.concat(chunks), nowMs());
    deliveries.push(delivery);
    await answer(script.shift() ?? standing, delivery, response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  let closed: Promise<unknown> | undefined;
  return {
    url: `http://127.0.0.1:${port}/webhook`,
    deliveries,
    last() {
      const delivery = deliveries.at(-1);
      if (!delivery) throw new Error("nothing was delivered yet");
      return delivery;
    },
    next: (...replies) => void script.push(...replies),
    always(reply) {
      standing = reply;
    },
    async close() {
      if (!closed) {
        closed = once(server, "close");
        server.close();
        server.closeAllConnections();
      }
      await closed;
    },
  };
}

async function answer(reply: Reply, delivery: Delivery, response: ServerResponse): Promise<void> {
  if (typeof reply === "function") return answer(await reply(delivery), delivery, response);
  if (reply === "cut") return void response.destroy();
  if (reply === "hang") {
    const over = hang(`POST http://${delivery.headers.host}${delivery.path}`);
    response.once("close", over);
    return;
  }
  const { status, headers = {}, body } = reply;
  const text = body === undefined ? "" : typeof body === "string" ? body : JSON.stringify(body);
  const type = typeof body === "string" ? "text/plain" : "application/json";
  response.writeHead(status, { "content-type": type, ...headers }).end(text);
}

function deliveryOf(request: IncomingMessage, rawBody: Buffer, nowMs: number): Delivery {
  const headers = Object.fromEntries(
    Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
  );
  const message = DispatchMessage.parse(JSON.parse(rawBody.toString()));
  const { attempt, callback_url: callbackUrl } = message;
  const { token } = message.authentication;
  const taskIds = message.input_data.tasks.map((task) => task.task_id);
  const get = (name: string) => headers[name] ?? null;
  const call: Delivery["call"] = (method, path, body, key = token) =>
    send(callbackUrl.replace(/callback$/, path), { method, body, key });
  const callback: Delivery["callback"] = (change = {}) =>
    call("POST", "callback", { attempt, status: "completed", ...change });
  return {
    atMs: nowMs,
    headers,
    rawBody,
    message,
    signed: verify(SIGNING_SECRET, { get }, rawBody, nowMs / 1000).ok,
    path: request.url ?? "",
    taskIds,
    token,
    items: (change = {}) => taskIds.map((task_id) => ({ task_id, status: "completed", ...change })),
    claim: (claimant = "run 1") => call("POST", "claim", { attempt, claimant }),
    heartbeat: (beat = {}) => call("POST", "heartbeat", beat),
    save: (key, taskId, value) => call("PUT", `checkpoints/${key}`, { task_id: taskId, value }),
    saved: (taskId) => call("GET", `checkpoints?task_id=${taskId}`),
    callback,
    fail: (error = { message: "it broke" }) => callback({ status: "failed", error_data: error }),
    call,
  };
}

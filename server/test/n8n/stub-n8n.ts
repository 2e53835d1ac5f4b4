/** Owns a stand-in for n8n's public API, with its refusals as they were measured; a test says what it has run. */

import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";

// biome-ignore lint/suspicious/noExplicitAny: JSON as n8n has it
export type Json = Record<string, any>;

export interface StubExecution {
  id: string;
  mode: string;
  status: string;
  startedAt: string;
  stoppedAt: string | null;
  data?: unknown;
}

export interface StubN8n {
  url: string;
  apiKey: string;
  /** By id, as `GET` gives them. */
  workflows: Map<string, Json>;
  executions: StubExecution[];
  credentials: Json[];
  /** Messages that were posted to webhooks, oldest first. */
  messages: Json[];
  /** Ids of executions that were stopped. */
  stopped: string[];
  /** `down`: refuses connections' requests by 503; `booting` and then `waking`: answers 200, then 404 with a page, as n8n does. */
  mood: "up" | "down" | "booting" | "waking";
  add(workflow: Json): string;
  close(): Promise<void>;
}

const READ_ONLY = [
  "id",
  "active",
  "createdAt",
  "updatedAt",
  "isArchived",
  "versionId",
  "triggerCount",
  "tags",
];
const WRITABLE = new Set(["name", "nodes", "connections", "settings", "staticData", "pinData"]);

export async function openStubN8n(): Promise<StubN8n> {
  const stub: Omit<StubN8n, "url" | "close" | "add"> = {
    apiKey: "the-api-key-of-the-stub",
    workflows: new Map(),
    executions: [],
    credentials: [],
    messages: [],
    stopped: [],
    mood: "up",
  };
  const server = createServer(async (request, response) => {
    const body = await bodyOf(request);
    const { status, value, page } = answer(stub, request, body);
    response.statusCode = status;
    response.setHeader("content-type", page ? "text/html" : "application/json");
    response.end(page ?? (value === undefined ? "" : JSON.stringify(value)));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return Object.assign(stub, {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    add(workflow: Json) {
      const id = randomUUID().slice(0, 8);
      const versionId = randomUUID();
      stub.workflows.set(id, {
        id,
        ...workflow,
        active: true,
        isArchived: false,
        versionId,
        activeVersionId: versionId,
      });
      return id;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}

async function bodyOf(request: IncomingMessage): Promise<Json | null> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  return text === "" ? null : JSON.parse(text);
}

interface StubAnswer {
  status: number;
  value?: unknown;
  page?: string;
}

function answer(
  stub: Omit<StubN8n, "url" | "close" | "add">,
  request: IncomingMessage,
  body: Json | null,
): StubAnswer {
  const url = new URL(request.url as string, "http://n8n");
  if (stub.mood === "down") return { status: 503, value: { message: "Service Unavailable" } };
  if (stub.mood === "booting") return { status: 200, page: "n8n is starting up. Please wait" };
  if (stub.mood === "waking")
    return { status: 404, page: `<pre>Cannot ${request.method} ${url.pathname}</pre>` };
  const hook = /^\/webhook\/(.+)$/.exec(url.pathname)?.[1];
  if (hook !== undefined) return atHook(stub, request, hook, body);
  if (request.headers["x-n8n-api-key"] !== stub.apiKey)
    return { status: 401, value: { message: "unauthorized" } };
  const [kind, id, action] = url.pathname.replace("/api/v1/", "").split("/").map(decodeURIComponent);
  if (kind === "workflows") return workflowCall(stub, request.method as string, id, action, body);
  if (kind === "executions") return executionCall(stub, url, id, action);
  if (kind === "credentials" && request.method === "POST") {
    const made = { id: randomUUID().slice(0, 8), ...body };
    stub.credentials.push(made);
    return { status: 200, value: { id: made.id, name: body?.name, type: body?.type } };
  }
  return { status: 404, value: { message: "not found" } };
}

function atHook(
  stub: Pick<StubN8n, "workflows" | "messages">,
  request: IncomingMessage,
  path: string,
  body: Json | null,
): StubAnswer {
  const found = [...stub.workflows.values()].some((workflow) =>
    workflow.nodes.some((node: Json) => node.parameters?.path === path && workflow.active),
  );
  if (!found)
    return { status: 404, value: { message: `The requested webhook "${path}" is not registered.` } };
  if (request.method === "POST") {
    stub.messages.push(body as Json);
    return { status: 202, value: { accepted: true } };
  }
  return {
    status: 404,
    value: {
      message: "This webhook is not registered for GET requests. Did you mean to make a POST request?",
    },
  };
}

function workflowCall(
  stub: Pick<StubN8n, "workflows" | "credentials">,
  method: string,
  id: string | undefined,
  action: string | undefined,
  body: Json | null,
): StubAnswer {
  if (id === undefined && method === "GET")
    return { status: 200, value: { data: [...stub.workflows.values()], nextCursor: null } };
  if (id === undefined) {
    const made = {
      id: randomUUID().slice(0, 8),
      ...body,
      active: false,
      versionId: randomUUID(),
      activeVersionId: null,
    };
    stub.workflows.set(made.id, made);
    return { status: 200, value: made };
  }
  const workflow = stub.workflows.get(id);
  if (!workflow) return { status: 404, value: { message: "Not Found" } };
  if (action === "publish") {
    workflow.active = true;
    workflow.activeVersionId = body?.versionId ?? workflow.versionId;
    return { status: 200, value: workflow };
  }
  if (action === "archive") {
    Object.assign(workflow, { isArchived: true, active: false });
    return { status: 200, value: workflow };
  }
  if (method === "DELETE") {
    if (!workflow.isArchived)
      return { status: 400, value: { message: "Workflow must be archived before it can be deleted." } };
    stub.workflows.delete(id);
    return { status: 200, value: workflow };
  }
  if (method === "PUT") return put(stub, workflow, body as Json);
  return { status: 200, value: workflow };
}

function put(stub: Pick<StubN8n, "credentials">, workflow: Json, body: Json): StubAnswer {
  const wrong = Object.keys(body).find((key) => READ_ONLY.includes(key) || !WRITABLE.has(key));
  if (wrong) return { status: 400, value: { message: `request/body/${wrong} is read-only` } };
  const names = new Set(body.nodes.map(({ name }: Json) => name));
  if (names.size !== body.nodes.length) return { status: 400, value: { message: "duplicate node names" } };
  const loose = Object.keys(body.connections).find((name) => !names.has(name));
  if (loose) return { status: 400, value: { message: `connection from unknown node ${loose}` } };
  for (const node of body.nodes) {
    for (const credential of Object.values(node.credentials ?? {}) as Json[]) {
      credential.id ??= stub.credentials.find(({ name }) => name === credential.name)?.id ?? null;
    }
  }
  // Settings are merged, not replaced.
  Object.assign(workflow, body, { settings: { ...workflow.settings, ...body.settings } });
  workflow.versionId = randomUUID();
  if (workflow.active) workflow.activeVersionId = workflow.versionId;
  return { status: 200, value: workflow };
}

function executionCall(
  stub: Pick<StubN8n, "executions" | "stopped">,
  url: URL,
  id: string | undefined,
  action: string | undefined,
): StubAnswer {
  if (id === undefined) {
    const status = url.searchParams.get("status");
    const open = new Set(["running", "waiting", "new"]);
    const data = stub.executions
      .filter((each) => (status === null ? !open.has(each.status) : each.status === status))
      .map(({ data: _, ...rest }) => rest)
      .reverse();
    return { status: 200, value: { data, nextCursor: null } };
  }
  const execution = stub.executions.find((each) => each.id === id);
  if (!execution) return { status: 404, value: { message: "Not Found" } };
  if (action !== "stop") return { status: 200, value: execution };
  stub.stopped.push(id);
  Object.assign(execution, { status: "canceled", stoppedAt: new Date().toISOString() });
  return { status: 200, value: execution };
}

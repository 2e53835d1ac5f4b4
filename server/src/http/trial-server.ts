/** For tests: a server of a few routes on a free port, with a client that tells status, headers and body. Serves nobody else. */
import assert from "node:assert/strict";
import type { Log } from "#log.ts";
import { createAuthenticator, mintApiKey } from "./auth.ts";
import type { Route } from "./route.ts";
import { buildServer } from "./server.ts";

export const ADMIN = "an-admin-key-of-24-characters";
export const PUBLIC_URL = "https://o.example.org/base";
/** The only execution that a token (`moe_1`) is known of. */
export const EXECUTION = "01890a5d-ac96-774b-bcce-b302099a8057";

export interface TrialServer {
  base: string;
  app: ReturnType<typeof buildServer>;
  workerKey: string;
  logged: { message: string; details?: object }[];
  call(path: string, sent?: Sent): Promise<Got>;
  close(): Promise<void>;
}

/** Listens; knows ADMIN, one worker key and the token `moe_1`. Answers have to fit their documentation. */
export async function trialServer(routes: readonly Route[]): Promise<TrialServer> {
  const worker = mintApiKey();
  const row = {
    name: "w",
    role: "worker",
    createdAtMs: 0,
    createdBy: "t",
    expiresAtMs: null,
    revokedAtMs: null,
  } as const;
  const { authenticate } = createAuthenticator({
    adminKey: ADMIN,
    findKey: async (keyId) =>
      keyId === worker.keyId ? { ...row, keyId, secretHash: worker.secretHash } : null,
    verifyExecutionToken: (token) => (token === "moe_1" ? { executionId: EXECUTION, attempt: 1 } : null),
    nowMs: () => Date.now(),
  });
  const logged: TrialServer["logged"] = [];
  const record = (message: string, details?: object) =>
    void logged.push({ message, ...(details ? { details } : {}) });
  const log: Log = { debug: () => {}, info: record, warn: record, error: record };
  const app = buildServer({ routes, authenticate, log, publicUrl: PUBLIC_URL, checkAnswers: true });
  const base = await app.listen({ port: 0, host: "127.0.0.1" });
  return {
    base,
    app,
    workerKey: worker.key,
    logged,
    call: (path, sent) => call(base + path, sent),
    close: () => app.close(),
  };
}

export interface Sent {
  method?: string;
  key?: string | null;
  body?: RequestInit["body"];
  type?: string | null;
  headers?: Record<string, string>;
}
// biome-ignore lint/suspicious/noExplicitAny: tests look into answers as they please
export type Got = { status: number; body: any; headers: Headers; text: string };

async function call(url: string, sent: Sent = {}): Promise<Got> {
  const { key = ADMIN, type = sent.body === undefined ? null : "application/json" } = sent;
  const headers: Record<string, string> = { ...sent.headers };
  if (key !== null) headers.authorization = `Bearer ${key}`;
  if (type !== null) headers["content-type"] = type;
  const init = {
    method: sent.method ?? (sent.body === undefined ? "GET" : "POST"),
    headers,
    body: sent.body ?? null,
  };
  const response = await fetch(url, {
    ...init,
    ...(sent.body instanceof ReadableStream ? { duplex: "half" } : {}),
  } as RequestInit);
  const text = await response.text();
  const json = response.headers.get("content-type")?.includes("json") && text !== "";
  return { status: response.status, body: json ? JSON.parse(text) : text, headers: response.headers, text };
}

/** Asserts a problem response: complete, of this status and code, without a stack trace or a path. */
export function problem(got: Got, status: number, code: string): void {
  assert.equal(got.status, status, got.text);
  assert.match(got.headers.get("content-type") ?? "", /^application\/problem\+json/);
  assert.equal(got.body.code, code);
  assert.equal(got.body.status, status);
  assert.equal(got.body.type, `${PUBLIC_URL}/docs/problems#${code}`);
  for (const member of ["title", "detail", "hint"]) assert.ok(got.body[member].length > 3, member);
  assert.doesNotMatch(got.text, /\/work\/|node_modules|\.ts:|\\n +at /);
}

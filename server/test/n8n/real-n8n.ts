/** Owns a real n8n for a test: found where it is installed, started with a home of its own, ended with the test. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface RealN8n {
  url: string;
  apiKey: string;
  /** Calls its public API; throws for what is no 2xx. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers as they please
  call(method: string, path: string, body?: unknown): Promise<any>;
  /** Ends the process, as a machine that is switched off; `start` brings it back with what it had. */
  stop(): Promise<void>;
  start(): Promise<void>;
  /** At once, in the midst of whatever it does. */
  kill(): Promise<void>;
  close(): Promise<void>;
}

export const HOW_TO_INSTALL =
  "no n8n was found: in a folder outside of this one, `npm i n8n@2.41.1 --ignore-scripts && npm rebuild sqlite3` (2.9 GB), then N8N_DIR=that folder npm run test:n8n";

/** The folder that n8n is installed in; null where there is none. N8N_TEST_URL is an n8n for trying that runs already. */
export function findN8n(): string | null {
  if (process.env.N8N_TEST_URL) return "";
  const folder = process.env.N8N_DIR;
  return folder && existsSync(join(folder, "node_modules/n8n/bin/n8n")) ? folder : null;
}

/** On a busy machine its first start, with an empty database, takes minutes. */
const UP_WITHIN_MS = 900_000;
const OWNER = { email: "owner@example.com", firstName: "O", lastName: "W", password: "Orchestra1" };

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export async function openRealN8n(folder: string): Promise<RealN8n> {
  const { N8N_TEST_URL: running, N8N_TEST_API_KEY: key = "" } = process.env;
  if (running) {
    const nothing = async () => {};
    return {
      url: running,
      apiKey: key,
      call: caller(running, key),
      start: nothing,
      stop: nothing,
      kill: nothing,
      close: nothing,
    };
  }
  const home = await mkdtemp(join(tmpdir(), "n8n-home-"));
  const [port, broker] = [await freePort(), await freePort()];
  const url = `http://127.0.0.1:${port}`;
  let child: ChildProcess | null = null;
  let said = "";
  const start = async () => {
    child = spawn(process.execPath, [join(folder, "node_modules/n8n/bin/n8n"), "start"], {
      env: {
        ...{ PATH: process.env.PATH, HOME: home, N8N_USER_FOLDER: home, N8N_PORT: String(port) },
        ...{ N8N_LISTEN_ADDRESS: "127.0.0.1", N8N_RUNNERS_BROKER_PORT: String(broker) },
        ...{
          GENERIC_TIMEZONE: "UTC",
          TZ: "UTC",
          N8N_DIAGNOSTICS_ENABLED: "false",
          N8N_SECURE_COOKIE: "false",
        },
        ...{ N8N_VERSION_NOTIFICATIONS_ENABLED: "false", N8N_TEMPLATES_ENABLED: "false" },
        ...{
          N8N_PERSONALIZATION_ENABLED: "false",
          N8N_LOG_LEVEL: "warn",
          N8N_BLOCK_FS_WRITE_ACCESS: "false",
        },
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    child.stdout?.on("data", (text) => (said = (said + text).slice(-4000)));
    child.stderr?.on("data", (text) => (said = (said + text).slice(-4000)));
    await up(url, () => said);
  };
  const end = async (signal: "SIGTERM" | "SIGKILL") => {
    const ending = child;
    child = null;
    if (!ending || ending.exitCode !== null) return;
    const ended = new Promise((resolve) => ending.once("exit", resolve));
    ending.kill(signal);
    const killing = setTimeout(() => ending.kill("SIGKILL"), 15_000);
    await ended;
    clearTimeout(killing);
  };
  const stop = () => end("SIGTERM");
  const kill = () => end("SIGKILL");
  const close = async () => {
    await stop();
    await rm(home, { recursive: true, force: true });
  };
  try {
    await start();
    const apiKey = await setUp(url);
    return { url, apiKey, start, stop, kill, close, call: caller(url, apiKey) };
  } catch (error) {
    await close();
    throw error;
  }
}

function caller(url: string, apiKey: string): RealN8n["call"] {
  return async (method, path, body) => {
    const answer = await fetch(`${url}/api/v1${path}`, {
      method,
      headers: {
        "x-n8n-api-key": apiKey,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return text === "" ? null : JSON.parse(text);
  };
}

async function up(url: string, said: () => string): Promise<void> {
  const giveUpAt = performance.now() + UP_WITHIN_MS;
  for (;;) {
    try {
      const answer = await fetch(`${url}/healthz/readiness`);
      const settings = await fetch(`${url}/rest/settings`);
      if (answer.ok && settings.headers.get("content-type")?.includes("json")) return;
    } catch {
      // It does not listen yet.
    }
    if (performance.now() > giveUpAt) throw new Error(`n8n did not start:\n${said()}`);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

/** The first owner, and a key of theirs with every scope. */
async function setUp(url: string): Promise<string> {
  const json = { "content-type": "application/json" };
  const owner = await fetch(`${url}/rest/owner/setup`, {
    method: "POST",
    headers: json,
    body: JSON.stringify(OWNER),
  });
  if (!owner.ok) throw new Error(`n8n's owner: ${owner.status} ${await owner.text()}`);
  const cookie = owner.headers
    .getSetCookie()
    .map((each) => each.split(";")[0])
    .join("; ");
  const scopes = await fetch(`${url}/rest/api-keys/scopes`, { headers: { cookie } });
  const { data } = (await scopes.json()) as { data: string[] };
  const made = await fetch(`${url}/rest/api-keys`, {
    method: "POST",
    headers: { ...json, cookie },
    body: JSON.stringify({ label: "test", scopes: data, expiresAt: null }),
  });
  const key = (await made.json()) as { data: { rawApiKey: string } };
  if (!made.ok) throw new Error(`n8n's key: ${made.status} ${JSON.stringify(key)}`);
  return key.data.rawApiKey;
}

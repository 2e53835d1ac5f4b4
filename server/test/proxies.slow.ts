/** Owns the proof of the proxies in docs/deploy.md, as they stand there: TLS, sessions, events, streams, large bodies, upgrades. */
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage } from "node:http";
import { request } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { freshDatabase } from "./database.ts";
import { anInstallation, freePort, type Installation, type Service } from "./installation.ts";
import { findProgram } from "./programs.ts";

const KEY = "the-admin-key-behind-the-proxies";
const UP_WITHIN_MS = 15_000;
const EVENT_WITHIN_MS = 10_000;
const ENQUEUE_EVERY_MS = 50;
const PROXY_NOTICES_MS = 4_000;
/** Nearly as large as a batch of tasks may be. */
const LARGE = { tasks: 2_000, letters: 5_000 };

interface Files {
  directory: string;
  certificate: string;
  key: string;
}

interface Proxy {
  program: string;
  /** Its configuration and how it is started with it. */
  prepare(block: string, port: number, files: Files): { config: string; args: string[] };
  /** What the block in the documentation begins with. */
  begins: string;
}

const NGINX: Proxy = {
  program: "nginx",
  begins: "```nginx\n",
  prepare(block, port, { directory, certificate, key }) {
    const server = block
      .replace("listen 443 ssl;", `listen 127.0.0.1:${port} ssl;`)
      .replace("server_name ", `ssl_certificate ${certificate}; ssl_certificate_key ${key}; server_name `);
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
      (name) => `${name}_temp_path ${directory}/${name};`,
    );
    const config = `daemon off; pid ${directory}/nginx.pid; ${process.getuid?.() === 0 ? "user root;" : ""}
events {} error_log stderr;
http { access_log off; ${temporary.join(" ")}
${server}
}`;
    return { config, args: ["-c", join(directory, "config"), "-e", "stderr"] };
  },
};

const CADDY: Proxy = {
  program: "caddy",
  begins: "```\norchestrator.example.com {",
  prepare(block, port, { certificate, key, directory }) {
    const site = block.replace(
      "orchestrator.example.com {",
      `https://localhost:${port} {\n\ttls ${certificate} ${key}`,
    );
    const config = `{\n\tadmin off\n\tauto_https disable_redirects\n\tskip_install_trust\n}\n${site}`;
    return { config, args: ["run", "--adapter", "caddyfile", "--config", join(directory, "config")] };
  },
};

async function blockOf({ begins }: Proxy): Promise<string> {
  const text = await readFile(new URL("../../docs/deploy.md", import.meta.url), "utf8");
  const from = text.indexOf(begins);
  assert.ok(from >= 0, "docs/deploy.md has the block");
  const first = text.indexOf("\n", from) + 1;
  return text.slice(first, text.indexOf("```", first));
}

interface Site {
  seats: { at: Installation; service: Service }[];
  port: number;
  /** Lets the provider end its answer. */
  release(): void;
}

interface Reply {
  status: number;
  headers: IncomingMessage["headers"];
  message: IncomingMessage;
  text(): Promise<string>;
}

/** Through the proxy, to the name in its certificate; the certificate is our own, and signed by nobody. */
function ask(
  { port }: Site,
  path: string,
  given: { method?: string; body?: unknown; headers?: Record<string, string>; key?: string | null } = {},
): Promise<Reply> {
  const { method = "GET", body, headers = {}, key = KEY } = given;
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        ...{ host: "127.0.0.1", servername: "localhost", port, path, method, rejectUnauthorized: false },
        headers: {
          ...{ host: `localhost:${port}`, "content-type": "application/json" },
          ...(key === null ? {} : { authorization: `Bearer ${key}` }),
          ...headers,
        },
      },
      (message) => {
        const text = async () => {
          const chunks: Buffer[] = [];
          for await (const chunk of message) chunks.push(chunk);
          return Buffer.concat(chunks).toString();
        };
        resolve({ status: message.statusCode ?? 0, headers: message.headers, message, text });
      },
    );
    sent.once("error", reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** Reads on until what came holds `wanted`. */
async function readUntil({ message }: Reply, wanted: RegExp): Promise<string> {
  const late = setTimeout(() => message.destroy(new Error(`${wanted} did not come`)), EVENT_WITHIN_MS);
  try {
    let text = "";
    for await (const chunk of message.iterator({ destroyOnReturn: false })) {
      text += chunk;
      if (wanted.test(text)) return text;
    }
    throw new Error(`it ended without ${wanted}: ${text}`);
  } finally {
    clearTimeout(late);
  }
}

/** Streams the first words of an answer at once, and the rest when it is let. */
async function openProvider(t: TestContext): Promise<{ url: string; release(): void }> {
  let release = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const server = createServer(async (incoming, answer) => {
    incoming.resume();
    answer.writeHead(200, { "content-type": "text/event-stream" });
    answer.write('data: {"choices":[{"index":0,"delta":{"content":"Hello"}}]}\n\n');
    await released;
    answer.end('data: {"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":2}}\n\ndata: [DONE]\n\n');
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`, release };
}

async function openSite(t: TestContext, proxy: Proxy, program: string): Promise<Site> {
  const directory = await mkdtemp(join(tmpdir(), "orchestrator-proxy-"));
  const database = await freshDatabase();
  const provider = await openProvider(t);
  const port = await freePort();
  const site: Site = { seats: [], port, release: provider.release };
  let child: ChildProcess | null = null;
  t.after(async () => {
    child?.kill("SIGTERM");
    for (const { service } of site.seats) service.signal("SIGKILL");
    await Promise.all(site.seats.map(({ service }) => service.ended));
    await database.close();
    await rm(directory, { recursive: true, force: true });
  });
  for (let replica = 0; replica < 2; replica++) {
    const at = await anInstallation(t, {
      ...{ DATABASE_URL: database.url, PUBLIC_URL: `https://localhost:${port}`, ORCHESTRATOR_ADMIN_KEY: KEY },
      ...{ OPENAI_API_KEY: "a-key", OPENAI_BASE_URL: provider.url, OUTBOUND_ALLOW: "127.0.0.1" },
      STOP_NOTICE: "5s",
    });
    site.seats.push({ at, service: await at.start() });
  }
  const files = { directory, certificate: join(directory, "tls.crt"), key: join(directory, "tls.key") };
  const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
  const made = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
  execFileSync("openssl", ["req", ...made, ...subject, "-keyout", files.key, "-out", files.certificate], {
    stdio: "ignore",
  });
  const [a, b] = site.seats.map(({ at }) => new URL(at.url).host) as [string, string];
  const block = (await blockOf(proxy)).replaceAll("10.0.0.11:8080", a).replaceAll("10.0.0.12:8080", b);
  const { config, args } = proxy.prepare(block, port, files);
  await writeFile(join(directory, "config"), config);
  const env = {
    PATH: process.env.PATH,
    HOME: directory,
    XDG_DATA_HOME: directory,
    XDG_CONFIG_HOME: directory,
  };
  child = spawn(program, args, { env, stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (text) => (said += text));
  const giveUpAt = performance.now() + UP_WITHIN_MS;
  while ((await ask(site, "/readyz").catch(() => null))?.status !== 200) {
    if (performance.now() > giveUpAt || child.exitCode !== null) throw new Error(`no ${program}:\n${said}`);
    await pause(100);
  }
  return site;
}

/** One replica after the other, as docs/deploy.md says, while tasks are enqueued all the time. */
async function upgrade(site: Site): Promise<{ sent: number; wrong: string[]; slowestMs: number }> {
  const open: Promise<void>[] = [];
  const wrong: string[] = [];
  let slowestMs = 0;
  let over = false;
  const enqueue = async (n: number) => {
    const began = performance.now();
    const body = { workflow_type: "writer", payload: { n }, idempotency_key: `upgrade-${n}` };
    const answer = await ask(site, "/api/v1/tasks", { method: "POST", body }).catch((error) => error);
    const told = answer instanceof Error ? String(answer) : `${answer.status} ${await answer.text()}`;
    if (!told.startsWith("20")) wrong.push(`${n}: ${told}`);
    slowestMs = Math.max(slowestMs, performance.now() - began);
  };
  const load = (async () => {
    while (!over) {
      open.push(enqueue(open.length));
      await pause(ENQUEUE_EVERY_MS);
    }
  })();
  for (const seat of site.seats) {
    seat.service.signal("SIGTERM");
    assert.equal((await seat.service.ended).code, 0);
    seat.service = await seat.at.start();
    // Longer than a proxy leaves one out that has failed.
    await pause(PROXY_NOTICES_MS);
  }
  over = true;
  await load;
  await Promise.all(open);
  return { sent: open.length, wrong, slowestMs };
}

for (const proxy of [NGINX, CADDY]) {
  const program = findProgram(proxy.program);
  const missing = [program ? [] : proxy.program, findProgram("openssl") ? [] : "openssl"]
    .flat()
    .join(" and ");
  test(`${proxy.program} as docs/deploy.md has it`, {
    skip: missing !== "" && `install ${missing} to prove it`,
    timeout: 300_000,
  }, async (t) => {
    const site = await openSite(t, proxy, program as string);

    await t.test("sessions are for HTTPS alone, and figures for nobody outside", async () => {
      const login = await ask(site, "/api/v1/session", { method: "POST", body: { key: KEY }, key: null });
      const cookie = String(login.headers["set-cookie"]);
      assert.match(cookie, /; Secure/);
      const headers = { cookie: cookie.split(";")[0] as string };
      const me = await ask(site, "/api/v1/session", { key: null, headers });
      assert.deepEqual([me.status, JSON.parse(await me.text()).role], [200, "admin"]);
      assert.equal((await ask(site, "/metrics")).status, 404);
    });

    await t.test("events come as they happen", async () => {
      const events = await ask(site, "/api/v1/events");
      await readUntil(events, /event: status\n/);
      const changed = readUntil(events, /"paused":\s*true/);
      assert.equal((await ask(site, "/api/v1/orchestrator/pause", { method: "POST", body: {} })).status, 200);
      await changed;
      events.message.destroy();
      assert.equal(
        (await ask(site, "/api/v1/orchestrator/resume", { method: "POST", body: {} })).status,
        200,
      );
    });

    await t.test("a model's stream passes word by word", async () => {
      const body = {
        model: "gpt-4o-mini",
        stream: true,
        max_tokens: 20,
        messages: [{ role: "user", content: "hi" }],
      };
      const stream = await ask(site, "/ai/openai/v1/chat/completions", { method: "POST", body });
      assert.equal(stream.status, 200);
      await readUntil(stream, /Hello/);
      site.release();
      await readUntil(stream, /\[DONE\]/);
    });

    await t.test("a batch as large as they may be passes", async () => {
      const workflow = { method: "PUT", body: { webhook_url: "http://127.0.0.1:9/none" } };
      assert.equal((await ask(site, "/api/v1/workflows/writer", workflow)).status, 200);
      await ask(site, "/api/v1/workflows/writer/pause", { method: "POST", body: {} });
      const payload = { text: "x".repeat(LARGE.letters) };
      const tasks = Array.from({ length: LARGE.tasks }, () => ({ workflow_type: "writer", payload }));
      const answer = await ask(site, "/api/v1/tasks", { method: "POST", body: { tasks } });
      const text = await answer.text();
      assert.ok(answer.status < 300, text);
      assert.equal(JSON.parse(text).tasks.length, LARGE.tasks);
    });

    await t.test("replicas are replaced one after the other, and nobody notices", async (t) => {
      const { sent, wrong, slowestMs } = await upgrade(site);
      t.diagnostic(
        `${sent} enqueued while two replicas were replaced, the slowest in ${Math.round(slowestMs)} ms`,
      );
      assert.deepEqual(wrong, []);
      const page = await ask(site, "/api/v1/queue");
      const lane = JSON.parse(await page.text()).lanes.find(
        (one: { workflow_type: string }) => one.workflow_type === "writer",
      );
      assert.equal(lane.depth, sent + LARGE.tasks);
    });
  });
}

/** Owns a real PgBouncer in transaction mode between a test and its database. Where none is installed, it says so. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chown, mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { Between } from "./house.ts";
import { freePort } from "./installation.ts";
import { findProgram } from "./programs.ts";

/** PgBouncer refuses to run as root. */
const NOBODY = 65_534;
const LISTENS_WITHIN_MS = 10_000;

/** Starts one in front of `databaseUrl`, in transaction mode, with `poolSize` connections to the server in all. */
export async function startPgBouncer(databaseUrl: string, poolSize: number): Promise<Between> {
  const program = findProgram("pgbouncer");
  if (!program) throw new Error("pgbouncer is not installed");
  const server = new URL(databaseUrl);
  const database = server.pathname.slice(1);
  const port = await freePort();
  const directory = await mkdtemp(join(tmpdir(), "orchestrator-pgbouncer-"));
  const settings = join(directory, "pgbouncer.ini");
  await writeFile(
    settings,
    `[databases]
${database} = host=${server.hostname} port=${server.port} user=${server.username} password=${server.password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = ${poolSize}
max_client_conn = 200
`,
    { mode: 0o600 },
  );
  const identity = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
  if (identity.uid) for (const path of [directory, settings]) await chown(path, NOBODY, NOBODY);
  const child = spawn(program, ["-q", settings], { ...identity, stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text) => (said += text));
  const ended = once(child, "close");
  const giveUpAt = performance.now() + LISTENS_WITHIN_MS;
  while (!(await listens(port))) {
    if (child.exitCode !== null || performance.now() > giveUpAt) throw new Error(`no pgbouncer:\n${said}`);
    await pause(20);
  }
  const own = new URL(databaseUrl);
  own.port = String(port);
  own.hostname = "127.0.0.1";
  return {
    url: own.href,
    async stop() {
      child.kill("SIGINT");
      await ended;
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function listens(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  const listening = await once(socket, "connect").then(
    () => true,
    () => false,
  );
  socket.destroy();
  return listening;
}

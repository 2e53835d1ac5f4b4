/** Owns the proof of the embedded server's promises, with real servers in temporary directories. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { chmod, lstat, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, describe, type TestContext, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { Problem } from "@master-orchestrator/contract";
import pg from "pg";
import type { Trial } from "./cluster.ts";
import { type EmbeddedOptions, startEmbedded } from "./index.ts";
import { isAlive } from "./launch.ts";

const settings = { fsync: "off" };
const isRoot = process.getuid?.() === 0;

interface Line {
  message: string;
  details?: Record<string, unknown> | undefined;
}

/** A temporary directory that takes every server in it along when the test ends, however it ends. */
async function aDirectory(t: TestContext, mode = 0o755): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), "embedded-test-"));
  await chmod(root, mode);
  t.after(async () => {
    for (const name of readdirSync(root, { recursive: true, encoding: "utf8" })) {
      if (name.endsWith("postmaster.pid")) await kill(join(root, name));
    }
    rmSync(root, { recursive: true, force: true, maxRetries: 5 });
  });
  return root;
}

async function kill(pidFile: string): Promise<void> {
  const pid = postmaster(pidFile);
  if (!isAlive(pid)) return;
  process.kill(pid, "SIGQUIT"); // at once, but leaving no shared memory behind, as SIGKILL would
  while (isAlive(pid)) await pause(5);
}

function postmaster(pidFile: string): number {
  return Number(readFileSync(pidFile, "utf8").split("\n")[0]);
}

async function aServer(
  t: TestContext,
  options: Partial<EmbeddedOptions> & { dataDir: string },
  trial?: Trial,
) {
  const lines: Line[] = [];
  const log = (_: string, message: string, details?: Record<string, unknown>) =>
    void lines.push({ message, details });
  const server = await startEmbedded({ log, settings, ...options }, trial);
  t.after(() => server.stop());
  return { ...server, lines, pidFile: join(options.dataDir, "postgres", "postmaster.pid") };
}

async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  client.on("error", () => {});
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

/** Another process that starts on `dataDir`; it says how that went, and stops when its input ends. */
async function aProcess(t: TestContext, dataDir: string) {
  const code = `
    import { startEmbedded } from ${JSON.stringify(import.meta.resolve("./index.ts"))};
    try {
      const server = await startEmbedded({ dataDir: ${JSON.stringify(dataDir)}, log() {}, settings: { fsync: "off" } });
      console.log(JSON.stringify({ url: server.url, adopted: server.adopted }));
      process.stdin.resume().once("end", () => server.stop());
    } catch (error) {
      const { code, message, hint } = error;
      console.log(JSON.stringify({ code, message, hint }));
    }`;
  const args = ["--input-type=module", "-e", code];
  const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
  t.after(() => ended(child, () => child.kill("SIGKILL")));
  const [line] = await once(createInterface(child.stdout), "line");
  return {
    child,
    ...(JSON.parse(line) as { url: string; adopted: boolean; code?: string; message: string; hint: string }),
  };
}

async function ended(child: ChildProcess, act: () => void): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, "exit");
  act();
  await exit;
}

describe("the embedded server", { concurrency: 2 }, () => {
  test("a first start creates the database, privately and in UTF-8, UTC and without a socket", async (t) => {
    const dataDir = join(await aDirectory(t), "new", "data");
    const server = await aServer(t, { dataDir });
    assert.equal(server.adopted, false);
    assert.match(
      server.url,
      /^postgres:\/\/postgres:[0-9a-f]{48}@127\.0\.0\.1:\d+\/orchestrator\?sslmode=disable$/,
    );
    const [row] = await query(
      server.url,
      `select current_setting('server_encoding') as encoding, current_setting('timezone') as zone, lower('É') as small,
        current_setting('unix_socket_directories') as sockets, current_setting('max_connections') as connections`,
    );
    assert.deepEqual(row, { encoding: "UTF8", zone: "UTC", small: "é", sockets: "", connections: "100" });
    assert.equal(statSync(dataDir).mode & 0o777, 0o700);
    assert.equal(statSync(join(dataDir, "postgres-password")).mode & 0o777, 0o600);
    assert.deepEqual((await readdir(dataDir)).sort(), ["postgres", "postgres-password", "postgres.log"]);
    const wrong = server.url.replace(/:[0-9a-f]{48}@/, ":wrong@");
    await assert.rejects(query(wrong, "select"), { code: "28P01" });
  });

  test("what was committed is there after a stop and a start; a long log is put aside", async (t) => {
    const dataDir = await aDirectory(t);
    const first = await aServer(t, { dataDir });
    await query(first.url, "create table kept as select 7 as n");
    await Promise.all([first.stop(), first.stop()]);
    assert.equal(existsSync(first.pidFile), false);
    await writeFile(join(dataDir, "postgres.log"), Buffer.alloc(11 * 1024 * 1024));
    // After a reboot, the old pid may be any process of ours.
    await writeFile(
      first.pidFile,
      [process.pid, join(dataDir, "postgres"), 1, 1, "", "127.0.0.1", "1 1", "ready"].join("\n"),
    );
    const second = await aServer(t, { dataDir });
    assert.equal(second.adopted, false);
    assert.match(second.lines.map((line) => line.message).join(), /removing a stale postmaster\.pid/);
    assert.deepEqual(await query(second.url, "select n from kept"), [{ n: 7 }]);
    assert.ok(statSync(join(dataDir, "postgres.log")).size < 1024 * 1024);
  });

  test("a second process on the directory is refused, told by whom, and does no harm", async (t) => {
    const dataDir = await aDirectory(t);
    const server = await aServer(t, { dataDir });
    const other = await aProcess(t, dataDir);
    assert.equal(other.code, "data_dir_in_use");
    assert.equal(other.message, `The data directory ${dataDir} is in use by process ${process.pid}.`);
    assert.match(other.hint, /Stop that process.*DATA_DIR and PORT/);
    await ended(other.child, () => {}); // nothing keeps it alive
    assert.deepEqual(await query(server.url, "select 1 as n"), [{ n: 1 }]);
  });

  test("the server of a killed process is adopted, and its data with it", async (t) => {
    const dataDir = await aDirectory(t);
    const killed = await aProcess(t, dataDir);
    await query(killed.url, "create table kept as select 7 as n");
    await ended(killed.child, () => killed.child.kill("SIGKILL"));
    const server = await aServer(t, { dataDir });
    assert.equal(server.adopted, true);
    assert.equal(server.url, killed.url);
    assert.deepEqual(await query(server.url, "select n from kept"), [{ n: 7 }]);
    const pid = postmaster(server.pidFile);
    await server.stop();
    assert.equal(isAlive(pid), false);
  });

  test("a killed server comes back on the same port, and the directory is still locked", async (t) => {
    const dataDir = await aDirectory(t);
    const back = Promise.withResolvers<void>();
    const log = (_: string, message: string) => message === "PostgreSQL is back" && back.resolve();
    const server = await aServer(t, { dataDir, log, onLost: back.reject });
    await query(server.url, "create table kept as select 7 as n");
    const pid = postmaster(server.pidFile);
    process.kill(pid, "SIGKILL");
    await back.promise;
    assert.notEqual(postmaster(server.pidFile), pid);
    assert.deepEqual(await query(server.url, "select n from kept"), [{ n: 7 }]);
    assert.equal((await aProcess(t, dataDir)).code, "data_dir_in_use");
  });

  test("a lost server that cannot come back is reported once, and stop() still works", async (t) => {
    const dataDir = await aDirectory(t);
    const lost = Promise.withResolvers<Error>();
    const server = await aServer(t, { dataDir, onLost: lost.resolve });
    await writeFile(join(dataDir, "postgres", "postgresql.conf"), "no_such_setting = on\n");
    process.kill(postmaster(server.pidFile), "SIGKILL");
    const error = await lost.promise;
    assert.ok(error instanceof Problem);
    assert.match(error.hint, /no_such_setting/);
    await server.stop();
    await writeFile(join(dataDir, "postgres", "postgresql.conf"), "");
    await (await aServer(t, { dataDir })).stop();
  });

  test("stop() while the server is being brought back leaves nothing running", async (t) => {
    const dataDir = await aDirectory(t);
    const noticed = Promise.withResolvers<void>();
    const log = (_: string, message: string) =>
      message.startsWith("PostgreSQL was lost") && noticed.resolve();
    const server = await aServer(t, { dataDir, log, onLost: () => assert.fail("lost") });
    process.kill(postmaster(server.pidFile), "SIGKILL");
    await noticed.promise;
    await server.stop();
    assert.ok(!existsSync(server.pidFile) || !isAlive(postmaster(server.pidFile)));
  });

  test("of two first starts at once, exactly one gets the directory", async (t) => {
    const dataDir = join(await aDirectory(t), "data");
    const both = await Promise.all([aProcess(t, dataDir), aProcess(t, dataDir)]);
    assert.deepEqual(both.map((one) => one.code ?? "started").sort(), ["data_dir_in_use", "started"]);
    const winner = both.find((one) => !one.code)!;
    assert.deepEqual(await query(winner.url, "select 1 as n"), [{ n: 1 }]);
    await ended(winner.child, () => winner.child.stdin.end()); // stops, and then nothing keeps it alive
    assert.equal(winner.child.exitCode, 0);
    assert.equal(existsSync(join(dataDir, "postgres", "postmaster.pid")), false);
    assert.deepEqual((await readdir(dataDir)).sort(), ["postgres", "postgres-password", "postgres.log"]);
  });

  test("a lost password is said, not replaced", async (t) => {
    const dataDir = await aDirectory(t);
    await (await aServer(t, { dataDir })).stop();
    await rm(join(dataDir, "postgres-password"));
    await assert.rejects(aServer(t, { dataDir }), /The password of .* is missing from .*postgres-password/);
  });

  test("root under a private directory runs it as nobody, elsewhere, and says so", {
    skip: !isRoot,
  }, async (t) => {
    const outside = await aDirectory(t);
    const dataDir = join(await aDirectory(t, 0o700), "data");
    const trial: Trial = { strategy: "user", outside };
    const first = await aServer(t, { dataDir }, trial);
    assert.match(
      first.lines.map((line) => line.message).join(),
      new RegExp(`the database is in ${outside}/`),
    );
    assert.notEqual(statSync(`/proc/${postmaster(first.pidFile)}`).uid, 0);
    await query(first.url, "create table kept as select 7 as n");
    await first.stop();
    // A machine that begins to allow namespaces: the same cluster, other owners.
    const second = await aServer(t, { dataDir }, { outside });
    assert.deepEqual(await query(second.url, "select n from kept"), [{ n: 7 }]);
    await second.stop();
    assert.ok((await lstat(join(dataDir, "postgres"))).isSymbolicLink());
    await rm(outside, { recursive: true });
    await mkdir(outside);
    await assert.rejects(aServer(t, { dataDir }, trial), /The database of .* is gone from/);
  });

  test("root in a public place runs it as nobody in the data directory itself", {
    skip: !isRoot,
  }, async (t) => {
    const root = await aDirectory(t);
    const dataDir = join(root, "data");
    const outside = join(root, "outside");
    const server = await aServer(t, { dataDir }, { strategy: "user", outside });
    // In a checkout that nobody can enter the binaries alone are copied; the cluster stays where it is.
    assert.equal(existsSync(outside), !nobodyCanRun(process.execPath));
    assert.ok((await lstat(join(dataDir, "postgres"))).isDirectory());
    assert.equal(statSync(dataDir).mode & 0o777, 0o710);
    assert.deepEqual(await query(server.url, "select 1 as n"), [{ n: 1 }]);
  });
});

function nobodyCanRun(path: string): boolean {
  return spawnSync("test", ["-x", path], { uid: 65_534, gid: 65_534 }).status === 0;
}

after(() => {
  const handles = process.getActiveResourcesInfo().filter((name) => /TCP|Process|Timeout/.test(name));
  assert.deepEqual(handles, []);
});

/** Owns the proof that a process which goes wrong by itself gives up what it holds: one with far too much memory, one that hangs. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import pg from "pg";
import { isAlive } from "#store/embedded/launch.ts";
import { freshDatabase } from "./database.ts";
import { send } from "./http.ts";
import { anInstallation, type Installation } from "./installation.ts";

const KEY = "the-admin-key-of-the-supervised";
const api = (at: Installation, method: string, path: string, body?: unknown) =>
  send(`${at.url}/api/v1${path}`, { method, body, key: KEY });

test("a process whose memory does not come back drains, says why, and exits with 75 for its supervisor", async (t) => {
  const at = await anInstallation(t, { ORCHESTRATOR_ADMIN_KEY: KEY });
  const service = await at.start();
  const postmaster = at.postmasterPid();
  // Less than it has: what no cache and no garbage explains is a runaway.
  const memory = { max_rss_mb: 20, drain_above: 1, drain_after_seconds: 1 };
  assert.equal((await api(at, "PUT", "/policy", { policy: { memory } })).status, 200);
  const { code, stdout } = await service.ended;
  assert.equal(code, 75, stdout);
  assert.match(stdout, /caches were dropped and garbage was collected/);
  assert.match(stdout, /1 times the 20 MB of policy memory\.max_rss_mb.*drains and ends, to be started anew/);
  assert.ok(!isAlive(postmaster), "and it leaves nothing behind");
  assert.doesNotMatch(stdout, /"level":"error"/);
});

test("a cycle that hangs loses the row within seconds, and its process goes on when it wakes up", async (t) => {
  const database = await freshDatabase();
  const at = await anInstallation(t, { ORCHESTRATOR_ADMIN_KEY: KEY, DATABASE_URL: database.url });
  const service = await at.start();
  const [gate, other] = [new pg.Client(database.url), new pg.Client(database.url)];
  await Promise.all([gate.connect(), other.connect()]);
  t.after(async () => {
    service.signal("SIGKILL");
    await service.ended;
    await Promise.all([gate.end(), other.end()]);
    await database.close();
  });
  /** The connection of a transaction that has locked the row, and waits at the gate. */
  const cycle = async (): Promise<number | undefined> => {
    const { rows } = await other.query(
      `select pid from pg_locks waits join pg_locks has using (pid)
        where waits.relation = 'policy_versions'::regclass and not waits.granted
          and has.relation = 'orchestrator'::regclass and has.mode = 'RowShareLock' and has.granted`,
    );
    return rows[0]?.pid;
  };
  // Its next cycle stops in the middle, with the row in its hands; then so does the process.
  await gate.query("begin; lock table policy_versions in access exclusive mode");
  let pid = await cycle();
  for (; pid === undefined; pid = await cycle()) await pause(20);
  service.signal("SIGSTOP");
  await gate.query("commit");
  await assert.rejects(other.query("select from orchestrator for update nowait"), { code: "55P03" });
  await other.query("set lock_timeout = '20s'");
  await other.query("select from orchestrator for update");
  // Its transaction is over, and so is its connection as soon as the server has cleared it away.
  const left = () => other.query("select from pg_stat_activity where pid = $1", [pid]);
  while ((await left()).rowCount !== 0) await pause(20);

  service.signal("SIGCONT");
  while ((await api(at, "POST", "/orchestrator/tick")).status !== 200) await pause(200);
  service.signal("SIGTERM");
  assert.equal((await service.ended).code, 0);
});

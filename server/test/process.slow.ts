/** Owns the proof of the whole thing as its user has it: started, used, killed, started again, stopped. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { parse } from "csv-parse/sync";
import { isAlive } from "#store/embedded/launch.ts";
import { send } from "./http.ts";
import { anInstallation, type Installation } from "./installation.ts";

const TOPICS = 24;
const COPIES = 10;
const ALL_DONE_WITHIN_MS = 40_000;

async function api(at: Installation, method: string, path: string, body?: unknown) {
  const key = (await readFile(join(at.dataDir, "admin-key"), "utf8")).trim();
  const answer = await send(`${at.url}/api/v1${path}`, { method, body, key });
  assert.ok(answer.status < 300, answer.text);
  return answer.body;
}

async function lanes(at: Installation) {
  const queue = await api(at, "GET", "/queue");
  const sum = (name: string) =>
    queue.lanes.reduce((total: number, lane: Record<string, number>) => total + lane[name]!, 0);
  return {
    completed: sum("completed_last_hour"),
    running: sum("running"),
    open: sum("depth") + sum("retrying"),
  };
}

/** The example topics once more, under other titles and keys, each with half of another one's source: no two are alike. */
async function moreTopics(): Promise<object[]> {
  const csv = await readFile(new URL("../../examples/topics.csv", import.meta.url));
  const rows = parse(csv, { columns: true }) as Record<string, string>[];
  return Array.from({ length: COPIES }, (_, copy) =>
    rows.map(({ title, brief, content_type, source_text: own = "", idempotency_key }, i) => ({
      workflow_type: "content_pipeline",
      content_type,
      payload: {
        title: `${title}, part ${copy + 2}`,
        brief,
        sources: [{ text: own.slice(0, own.length / 2) }, { text: halfOf(rows[(i + copy + 1) % TOPICS]!) }],
      },
      idempotency_key: `${idempotency_key}-${copy}`,
    })),
  ).flat();
}

function halfOf({ source_text: text = "" }: Record<string, string>): string {
  return text.slice(text.length / 2);
}

function errorsIn(stdout: string): string[] {
  return stdout.split("\n").filter((line) => line.includes('"level":"error"'));
}

test("from the first start to the last stop, with a kill in between", async (t) => {
  const at = await anInstallation(t);

  const first = await at.start();
  await t.test("the first start says where it is and leaves a key that only its owner can read", async () => {
    assert.match(first.stdout(), new RegExp(`is ready: ${at.url}`));
    assert.match(first.stdout(), /Admin key +mo_/);
    assert.equal((await stat(join(at.dataDir, "admin-key"))).mode & 0o777, 0o600);
  });

  await t.test("the example topics become articles by one command", async () => {
    const { code, stdout, stderr } = await at.cli("enqueue", "examples/topics.csv", "--wait");
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout + stderr, /24 completed/);
    const again = await at.cli("enqueue", "examples/topics.csv", "--wait");
    assert.match(again.stdout + again.stderr, /24 duplicates/, "running it twice enqueues nothing twice");
  });

  await t.test("an article is there to be read, with headers that keep its readers safe", async () => {
    const { articles } = (await send(`${at.url}/articles`, {})).body;
    assert.equal(articles.length, TOPICS);
    const { status, headers, text } = await send(articles[0].article_url, {
      headers: { accept: "text/html" },
    });
    assert.equal(status, 200);
    assert.match(headers.get("content-type") ?? "", /^text\/html/);
    assert.match(headers.get("content-security-policy") ?? "", /default-src 'none'/);
    assert.equal(headers.get("x-content-type-options"), "nosniff");
    assert.equal(headers.get("x-frame-options"), "DENY");
    assert.match(text, /<h1[ >]/);
    assert.ok(text.includes(articles[0].title.replaceAll("&", "&amp;").replaceAll("'", "&#39;")));
  });

  await t.test("a second process on the same directory is refused in plain words", async () => {
    const { code, stderr } = await at.startInVain();
    assert.equal(code, 1);
    assert.match(
      stderr,
      new RegExp(`^orchestrator: The data directory .* is in use by process ${first.pid}`),
    );
    assert.doesNotMatch(stderr, /\n +at /);
    assert.equal((await send(`${at.url}/healthz`, {})).status, 200, "and the first one runs on");
  });

  const postmaster = at.postmasterPid();
  await t.test("killed in the middle of its work, its PostgreSQL lives on", async () => {
    await api(at, "PUT", "/policy", { policy: { retry: { base_seconds: 1 } } });
    // What this is about is that each is published once: none waits for a person, and no audit follows.
    const params = { bar: { score: 0, support: 0, likeness: 1 }, audit: false };
    await api(at, "PUT", "/workflows/content_pipeline", { params });
    await api(at, "POST", "/tasks", { tasks: await moreTopics() });
    for (;;) {
      const { completed, running } = await lanes(at);
      if (completed > TOPICS + 10 && running > 0) break;
      assert.ok(completed < TOPICS * (COPIES + 1), "it was too quick to be killed in the middle");
      await pause(20);
    }
    first.signal("SIGKILL");
    assert.equal((await first.ended).signal, "SIGKILL");
    assert.ok(isAlive(postmaster));
  });

  const second = await at.start();
  await t.test(
    "the next start adopts it and completes every task, with exactly one article each",
    async () => {
      assert.match(second.stdout(), /PostgreSQL adopted/);
      assert.equal(at.postmasterPid(), postmaster);
      assert.doesNotMatch(second.stdout(), /Admin key/, "the key was shown once");
      const giveUpAt = performance.now() + ALL_DONE_WITHIN_MS;
      for (;;) {
        const left = await lanes(at);
        if (left.open + left.running === 0) break;
        assert.ok(performance.now() < giveUpAt, `still open: ${JSON.stringify(left)}`);
        await pause(100);
      }
      const { tasks } = await api(at, "GET", "/tasks?limit=500&workflow_type=content_pipeline");
      assert.equal(tasks.length, TOPICS * (COPIES + 1));
      assert.ok(tasks.every((task: { status: string }) => task.status === "completed"));
      const { articles } = (await send(`${at.url}/articles?limit=500`, {})).body;
      const written = articles.map((article: { task_id: string }) => article.task_id).sort();
      assert.deepEqual(written, tasks.map((task: { task_id: string }) => task.task_id).sort());
      assert.deepEqual(errorsIn(second.stdout()), []);
    },
  );

  await t.test("asked to stop, it stops within seconds and leaves nothing running", async () => {
    const started = performance.now();
    second.signal("SIGTERM");
    const { code, stderr, stdout } = await second.ended;
    assert.equal(code, 0, stderr);
    assert.ok(performance.now() - started < 8_000);
    assert.ok(!isAlive(postmaster));
    assert.ok(!existsSync(join(at.dataDir, "postgres", "postmaster.pid")));
    assert.deepEqual(errorsIn(stdout), []);
  });
});

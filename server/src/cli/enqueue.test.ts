/** What `orchestrator enqueue` promises: bad lines by their number, the rest in, nothing twice, little memory. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Readable } from "node:stream";
import { test } from "node:test";
import { command, deadUrl, fakeQueue, problem, type StubRequest, startStub, taskId } from "./stub-api.ts";

const HEADER = "title,brief,content_type,priority\n";
const titles = (requests: StubRequest[]) =>
  requests.flatMap(({ body }) => body.tasks.map((task) => (task.payload as { title: string }).title));

test("a bad line is named by its line in the file, behind records of many lines, and the rest goes in", async (t) => {
  const stub = await startStub(t, fakeQueue());
  const csv = `${HEADER}Tides,"first line\n\nthird line",how_to,80\r\nMoon,,how_to,10\nSun,"a ""hot"" star",,\n`;
  const outcome = await command(t, stub.url, ["enqueue", "topics.csv"], { files: { "topics.csv": csv } });
  assert.equal(outcome.stderr, "line 5: brief is missing\n");
  assert.equal(outcome.stdout, "2 enqueued, 0 duplicates, 1 bad line\n");
  assert.equal(outcome.code, 1);
  const [tides, sun] = stub.requests[0]!.body.tasks;
  assert.deepEqual(tides!.payload, { title: "Tides", brief: "first line\n\nthird line" });
  assert.equal(tides!.priority, 80);
  assert.deepEqual(sun!.payload, { title: "Sun", brief: 'a "hot" star' });
});

test("the example topics go in whole, and a second run enqueues nothing", async (t) => {
  const stub = await startStub(t, fakeQueue());
  const files = { "topics.csv": readFileSync(new URL("../../../examples/topics.csv", import.meta.url)) };
  const first = await command(t, stub.url, ["enqueue", "topics.csv"], { files });
  assert.deepEqual(
    [first.code, first.stdout, first.stderr],
    [0, "24 enqueued, 0 duplicates, 0 bad lines\n", ""],
  );
  const second = await command(t, stub.url, ["enqueue", "topics.csv"], { files });
  assert.deepEqual([second.code, second.stdout], [0, "0 enqueued, 24 duplicates, 0 bad lines\n"]);
});

test("a task without a key gets one from its content, whatever the order of the columns", async (t) => {
  const stub = await startStub(t, fakeQueue());
  const twice = { "a.csv": "title,brief\nTides,why\n", "b.csv": "brief;Title\nwhy;Tides\n" };
  await command(t, stub.url, ["enqueue", "a.csv"], { files: twice });
  const again = await command(t, stub.url, ["enqueue", "b.csv"], { files: twice });
  assert.equal(again.stdout, "0 enqueued, 1 duplicate, 0 bad lines\n");
  const anew = await command(t, stub.url, ["enqueue", "b.csv", "--no-dedupe"], { files: twice });
  assert.equal(anew.stdout, "1 enqueued, 0 duplicates, 0 bad lines\n");
});

test("columns become payload, keywords, a source and the task's own fields", async (t) => {
  const stub = await startStub(t, fakeQueue());
  const csv =
    "\ufeffTitle\tbrief\tkeywords\tsource_title\tsource_url\tnot_before\tidempotency_key\taudience\tpriority\n" +
    "Tides\twhy\tsea; moon;\tNotes\thttps://e.org/t\t2027-01-01T00:00:00Z\tkey-1\tsailors\t\n\t\t\t\t\t\t\t\t\n";
  const files = { "topics.txt": csv };
  const outcome = await command(t, stub.url, ["enqueue", "topics.txt", "--priority", "7"], { files });
  assert.equal(outcome.code, 0);
  assert.deepEqual(stub.requests[0]!.body.tasks, [
    {
      workflow_type: "content_pipeline",
      priority: 7,
      not_before: "2027-01-01T00:00:00Z",
      idempotency_key: "key-1",
      payload: {
        title: "Tides",
        brief: "why",
        keywords: ["sea", "moon"],
        audience: "sailors",
        sources: [{ title: "Notes", url: "https://e.org/t" }],
      },
    },
  ]);
});

test("a quote that is never closed costs its own line, and no other", async (t) => {
  const stub = await startStub(t, fakeQueue());
  const csv = 'title,brief\nOne,x\n"Two,x\nThree,"x, y"\nFour,12" pizza\nFive,x\nSix,x,y\nSeven\nEight,x';
  const outcome = await command(t, stub.url, ["enqueue", "t.csv"], { files: { "t.csv": csv } });
  assert.deepEqual(titles(stub.requests), ["One", "Three", "Five", "Eight"]);
  assert.deepEqual(outcome.stderr.match(/^line \d+/gm), ["line 3", "line 5", "line 7", "line 8"]);
  assert.equal(outcome.stdout, "4 enqueued, 0 duplicates, 4 bad lines\n");
});

test("a line in a foreign encoding is named, not mangled", async (t) => {
  const stub = await startStub(t, fakeQueue());
  const csv = Buffer.from("title,brief\nCaf\xe9,x\nTea,x\n", "latin1");
  const outcome = await command(t, stub.url, ["enqueue", "t.csv"], { files: { "t.csv": csv } });
  assert.match(outcome.stderr, /^line 2: the line is not UTF-8/);
  assert.deepEqual(titles(stub.requests), ["Tea"]);
});

test("NDJSON: broken JSON and wrong fields are named by line; topics and whole tasks go in", async (t) => {
  const stub = await startStub(t, fakeQueue());
  const lines = [
    '{"title":"A","brief":"a\u2028b","content_type":"news"}',
    "",
    '{"title":"B",',
    '{"workflow_type":"content_pipeline","payload":{"title":"C","brief":"c"},"priorty":3}',
    '{"workflow_type":"seo_monitor","payload":{"url":"https://e.org"}}',
    '{"title":"D","brief":"d","priority":101}',
  ];
  const stdin = Readable.from([Buffer.from(lines.join("\n"))]);
  const outcome = await command(t, stub.url, ["enqueue", "-"], { stdin });
  assert.match(outcome.stderr, /^line 3: the line is not JSON/m);
  assert.match(outcome.stderr, /^line 4: priorty: unknown field "priorty"; did you mean "priority"\?/m);
  assert.match(outcome.stderr, /^line 6: priority: /m);
  assert.equal(outcome.stdout, "2 enqueued, 0 duplicates, 3 bad lines\n");
  assert.deepEqual(
    stub.requests[0]!.body.tasks.map((task) => task.workflow_type),
    ["content_pipeline", "seo_monitor"],
  );
});

test("JSON: a list, an envelope or one task; an element is named by its line and number", async (t) => {
  const stub = await startStub(t, fakeQueue());
  const files = {
    "list.json": '[\n  {"title": "A [", "brief": "a"},\n  {"title": "B"}\n]',
    "envelope.json": '{"tasks": [{"payload": {"title": "C", "brief": "c"}}]}',
    "one.json": '{"title": "D",\n "brief": "d"}',
    "broken.json": '[{"title": "E"',
  };
  const list = await command(t, stub.url, ["enqueue", "list.json"], { files });
  assert.equal(list.stderr, "line 3, task 2: brief is missing\n");
  assert.equal((await command(t, stub.url, ["enqueue", "envelope.json"], { files })).code, 0);
  assert.equal((await command(t, stub.url, ["enqueue", "one.json"], { files })).code, 0);
  const broken = await command(t, stub.url, ["enqueue", "broken.json"], { files });
  assert.equal(broken.code, 1);
  assert.match(broken.stderr, /broken\.json: the file is not JSON/);
  assert.deepEqual(titles(stub.requests), ["A [", "C", "D"]);
});

test("a batch that is refused for one task goes in without it, and the task's line is named", async (t) => {
  const accept = fakeQueue();
  const stub = await startStub(t, (request) => {
    const index = request.body.tasks.findIndex(
      ({ payload }) => (payload as { title: string }).title === "T7",
    );
    if (index === -1) return accept(request);
    const errors = [{ path: `/tasks/${index}/payload/title`, message: "must not be T7" }];
    return problem(422, "validation_failed", { errors });
  });
  const csv = `title,brief\n${Array.from({ length: 20 }, (_, i) => `T${i},x\n`).join("")}`;
  const outcome = await command(t, stub.url, ["enqueue", "t.csv"], { files: { "t.csv": csv } });
  assert.match(outcome.stderr, /^line 9: refused \(validation_failed\): payload\.title: must not be T7/);
  assert.equal(outcome.stdout, "19 enqueued, 0 duplicates, 1 bad line\n");
  assert.equal(stub.requests.length, 2);
});

test("a conflict that names no task is found by halving", async (t) => {
  const accept = fakeQueue();
  const stub = await startStub(t, (request) =>
    request.body.tasks.some((task) => task.idempotency_key === "k13")
      ? problem(409, "idempotency_conflict")
      : accept(request),
  );
  const csv = `title,brief,idempotency_key\n${Array.from({ length: 40 }, (_, i) => `T${i},x,k${i}\n`).join("")}`;
  const outcome = await command(t, stub.url, ["enqueue", "t.csv"], { files: { "t.csv": csv } });
  assert.match(outcome.stderr, /^line 15: refused \(idempotency_conflict\)/);
  assert.equal(outcome.stdout, "39 enqueued, 0 duplicates, 1 bad line\n");
  assert.equal(outcome.code, 1);
});

test("a workflow that is not registered costs one request, not one for each of its tasks", async (t) => {
  const accept = fakeQueue();
  const stub = await startStub(t, (request) => {
    const index = request.body.tasks.findIndex((task) => task.workflow_type === "unheard_of");
    if (index === -1) return accept(request);
    const errors = [{ path: `/tasks/${index}/workflow_type`, message: "is not registered" }];
    return problem(422, "unknown_workflow", { errors });
  });
  const rows = Array.from({ length: 30 }, (_, i) => `T${i},x,${i % 3 === 0 ? "unheard_of" : ""}\n`).join("");
  const files = { "t.csv": `title,brief,workflow_type\n${rows}` };
  const outcome = await command(t, stub.url, ["enqueue", "t.csv"], { files });
  assert.equal(outcome.stdout, "20 enqueued, 0 duplicates, 10 bad lines\n");
  assert.match(outcome.stderr, /^line 2: refused \(unknown_workflow\): workflow_type: is not registered/);
  assert.equal(stub.requests.length, 2);
});

test("503 and 429 are waited out with the same keys; Retry-After is honoured", async (t) => {
  const accept = fakeQueue();
  let calls = 0;
  const stub = await startStub(t, (request) => {
    calls++;
    if (calls === 1)
      return { status: 503, body: "<html>starting</html>", headers: { "content-type": "text/html" } };
    if (calls === 2) return { ...problem(429, "unavailable"), headers: { "retry-after": "7" } };
    return accept(request);
  });
  const outcome = await command(t, stub.url, ["enqueue", "t.csv"], {
    files: { "t.csv": "title,brief\nA,x\n" },
  });
  assert.deepEqual([outcome.code, outcome.stdout], [0, "1 enqueued, 0 duplicates, 0 bad lines\n"]);
  assert.equal(outcome.sleptMs, 7500);
  assert.deepEqual(stub.requests[0]!.body, stub.requests[2]!.body);
});

test("a server that stays away is given up after a minute, and it is said how far it got", async (t) => {
  const accept = fakeQueue();
  const stub = await startStub(t, (request) =>
    (request.body.tasks[0]!.payload as { title: string }).title === "C"
      ? problem(500, "internal")
      : accept(request),
  );
  const files = { "t.csv": "title,brief\nA,x\nB,x\nC,x\nD,x\nE,x\n" };
  const outcome = await command(t, stub.url, ["enqueue", "t.csv", "--batch", "2"], { files });
  assert.equal(outcome.code, 1);
  assert.ok(outcome.sleptMs > 40_000 && outcome.sleptMs <= 60_000, `slept ${outcome.sleptMs} ms`);
  assert.equal(outcome.stdout, "2 enqueued, 0 duplicates, 0 bad lines\n");
  assert.match(
    outcome.stderr,
    /Everything before line 4 is settled; line 4 to line 5 may be in or not; nothing behind/,
  );
  assert.match(outcome.stderr, /hint: run the same command again/);
});

test("a server that was never started is not waited for a whole minute", async (t) => {
  const url = await deadUrl();
  const outcome = await command(t, url, ["enqueue", "t.csv"], { files: { "t.csv": "title,brief\nA,x\n" } });
  assert.equal(outcome.code, 1);
  assert.ok(outcome.sleptMs <= 5000, `slept ${outcome.sleptMs} ms`);
  assert.match(outcome.stderr, /stopped: no orchestrator answers at .*; start it with npm start/);
});

test("a key that is refused ends the command at once", async (t) => {
  const stub = await startStub(t, () => problem(401, "unauthorized"));
  const outcome = await command(t, stub.url, ["enqueue", "t.csv"], {
    files: { "t.csv": "title,brief\nA,x\nB,x\n" },
  });
  assert.equal(outcome.code, 1);
  assert.equal(stub.requests.length, 1);
  assert.match(
    outcome.stderr,
    /refused \(unauthorized\): it is unauthorized\nhint: mend it The key came from ORCHESTRATOR_API_KEY/,
  );
});

test("a dry run checks all and sends nothing, without key or server", async (t) => {
  const files = { "t.csv": "title,brief\nA,x\nB,\n" };
  const outcome = await command(t, "http://127.0.0.1:1", ["enqueue", "t.csv", "--dry-run"], {
    files,
    env: { ORCHESTRATOR_API_KEY: "" },
  });
  assert.deepEqual([outcome.code, outcome.stdout], [1, "1 good task, 1 bad line; nothing was sent\n"]);
});

test("a file without the needed columns is refused as a whole, by its header", async (t) => {
  const files = { "t.csv": "headline,brief\nA,x\n", "empty.csv": "" };
  const outcome = await command(t, "http://127.0.0.1:1", ["enqueue", "t.csv"], { files });
  assert.match(outcome.stderr, /^the header \(line 1\) has no column "title"\nhint: it has: headline, brief/);
  assert.equal(outcome.code, 1);
  assert.match(
    (await command(t, "http://127.0.0.1:1", ["enqueue", "empty.csv"], { files })).stderr,
    /the file is empty/,
  );
});

test("a workflow of its own takes any columns", async (t) => {
  const stub = await startStub(t, fakeQueue());
  const files = { "t.csv": "url,depth\nhttps://e.org,3\n" };
  const outcome = await command(t, stub.url, ["enqueue", "t.csv", "--workflow", "seo_monitor"], { files });
  assert.equal(outcome.code, 0);
  assert.deepEqual(stub.requests[0]!.body.tasks[0]!.payload, { url: "https://e.org", depth: "3" });
});

test("--json prints one answer of the API's form, however many requests it took", async (t) => {
  const stub = await startStub(t, fakeQueue());
  const files = { "t.csv": "title,brief\nA,x\nB,x\nC,x\n" };
  const outcome = await command(t, stub.url, ["enqueue", "t.csv", "--batch", "2", "--json"], { files });
  assert.deepEqual(
    JSON.parse(outcome.stdout).tasks.map((task: { task_id: string }) => task.task_id),
    [taskId(1), taskId(2), taskId(3)],
  );
  assert.equal(stub.requests.length, 2);
});

test("--wait ends well when every task is completed, and fails when one is dead-lettered", async (t) => {
  const accept = fakeQueue();
  let looks = 0;
  const stub = await startStub(t, (request) => {
    if (request.method === "POST") return accept(request);
    looks++;
    const done = looks > 4;
    const hold = { reason: "concurrency_total", cause: "10 of 10 slots are taken", expected_start: null };
    if (!done) return { body: { status: "queued", hold } };
    if (request.path.endsWith("2"))
      return { body: { status: "dead_lettered", errors: [{ message: "poison" }] } };
    return { body: { status: "completed", hold: null } };
  });
  const files = { "t.csv": "title,brief\nA,x\nB,x\n", "good.csv": "title,brief\nA,x\n" };
  const bad = await command(t, stub.url, ["enqueue", "t.csv", "--wait"], { files });
  assert.equal(bad.code, 1);
  assert.match(bad.stdout, /1 completed, 1 dead-lettered\n/);
  assert.match(bad.stdout, /line 3\s+dead_lettered\s+poison/);
  const good = await command(t, stub.url, ["enqueue", "good.csv", "--wait"], { files });
  assert.deepEqual([good.code, good.stdout], [0, "0 enqueued, 1 duplicate, 0 bad lines\n1 completed\n"]);
});

test("--wait gives up when its time is over, and says what holds the rest", async (t) => {
  const accept = fakeQueue();
  const hold = { reason: "concurrency_total", cause: "10 of 10 slots are taken", expected_start: null };
  const stub = await startStub(t, (request) =>
    request.method === "POST" ? accept(request) : { body: { status: "queued", hold } },
  );
  const files = { "t.csv": "title,brief\nA,x\n" };
  const outcome = await command(t, stub.url, ["enqueue", "t.csv", "--wait", "--timeout", "20"], { files });
  assert.equal(outcome.code, 1);
  assert.match(outcome.stdout, /0 completed, 1 task not ended after 20s/);
  assert.match(outcome.stdout, /queued\s+10 of 10 slots are taken/);
  assert.match(outcome.stderr, /0 of 1 ended, 0 running, held: 1 concurrency_total/);
});

test("a stream of 100,000 lines is never held in memory", async (t) => {
  const accept = fakeQueue();
  const LINES = 100_000;
  let produced = 0;
  let received = 0;
  let most = 0;
  const stub = await startStub(t, (request) => {
    received += request.body.tasks.length;
    most = Math.max(most, produced - received);
    stub.requests.length = 0;
    return accept(request);
  });
  function* rows() {
    yield Buffer.from("title,brief\n");
    while (produced < LINES) {
      let text = "";
      for (let i = 0; i < 100; i++) text += `Title ${++produced},"a brief, in two\nlines"\n`;
      yield Buffer.from(text);
    }
  }
  const stdin = Readable.from(rows(), { highWaterMark: 1 });
  const outcome = await command(t, stub.url, ["enqueue", "-"], { stdin });
  assert.equal(outcome.stdout, "100,000 enqueued, 0 duplicates, 0 bad lines\n");
  assert.ok(most < 5000, `${most} lines were read ahead`);
});

test("on a terminal a bar shows the progress, and bad lines stand above it", async (t) => {
  const stub = await startStub(t, fakeQueue());
  const files = { "t.csv": "title,brief\nA,x\nB,\n" };
  const outcome = await command(t, stub.url, ["enqueue", "t.csv"], { files, isTTY: true });
  assert.ok(outcome.stderr.includes("\u001b[Kline 3: brief is missing\n"));
  assert.match(outcome.stderr, /100% 1 enqueued, 0 duplicates, 1 bad line/);
});

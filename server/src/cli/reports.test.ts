/** What the commands about reports and insights promise: read, written to files, asked for; and what did not complete is told. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { command, startStub, taskId } from "./stub-api.ts";

const report = {
  ...{ report_id: taskId(1), kind: "week", from: "2026-11-16", to: "2026-11-23", told_by: "deterministic" },
  ...{ headline: "A week\u001b[31m", created_at: "2026-12-01T08:57:00Z", task_id: taskId(2) },
};

test("reports are listed by kind, and shown without moving the terminal's cursor", async (t) => {
  const stub = await startStub(t, ({ path }) =>
    path.endsWith("/latest")
      ? { body: "# A week\u001b[2J\n\ntext\n", headers: { "content-type": "text/markdown" } }
      : { body: { reports: [report], next_cursor: null } },
  );
  const listed = await command(t, stub.url, ["reports", "--kind", "week"]);
  assert.equal(listed.code, 0);
  assert.match(listed.stdout, /week\s+2026-11-16/);
  assert.ok(!listed.stdout.includes("\u001b[31m"));
  assert.deepEqual(stub.requests[0]!.query, { limit: "50", kind: "week" });
  const shown = await command(t, stub.url, ["reports", "show"]);
  assert.match(shown.stdout, /^# A week/);
  assert.ok(!shown.stdout.includes("\u001b["));
  assert.deepEqual(stub.requests[1]!.query, { format: "markdown" });
});

test("a report is written to a file as it is", async (t) => {
  const page = "<!doctype html>\n<title>A week</title>\n";
  const stub = await startStub(t, () => ({ body: page, headers: { "content-type": "text/html" } }));
  const args = ["reports", "show", taskId(1), "--format", "html", "--out", "r.html"];
  const outcome = await command(t, stub.url, args, { files: {} });
  assert.equal(outcome.code, 0, outcome.stderr);
  assert.equal(readFileSync(join(outcome.folder, "r.html"), "utf8"), page);
});

test("one is asked for as a task, which is waited for; what did not complete fails with its reason", async (t) => {
  let status = "completed";
  const result = { report: { report_id: taskId(7), headline: "A week: all well" } };
  const stub = await startStub(t, ({ method }) =>
    method === "POST"
      ? { status: 202, body: { tasks: [{ task_id: taskId(3), status: "queued", duplicate: false }] } }
      : {
          body: {
            task_id: taskId(3),
            status,
            result_data: result,
            hold: null,
            errors: [{ message: "no day is over" }],
          },
        },
  );
  const done = await command(t, stub.url, ["reports", "run", "--kind", "month", "--day", "2026-10-05"]);
  assert.equal(done.code, 0, done.stderr);
  assert.equal(done.stdout, "A week: all well\n");
  assert.deepEqual(stub.requests[0]!.body, {
    workflow_type: "intelligence_engine",
    priority: 70,
    payload: { report: { kind: "month", day: "2026-10-05" } },
  });
  status = "dead_lettered";
  const failed = await command(t, stub.url, ["reports", "run"]);
  assert.equal(failed.code, 1);
  assert.match(failed.stderr, /is dead_lettered: no day is over/);
});

test("a kind that there is not is a wrong usage, with the nearest one", async (t) => {
  const stub = await startStub(t, () => ({ status: 500 }));
  const outcome = await command(t, stub.url, ["reports", "run", "--kind", "weak"]);
  assert.deepEqual([outcome.code, stub.requests.length], [2, 0]);
  assert.match(outcome.stderr, /week/);
});

/** What the installed program promises as a process: exit codes, streams, any Node that is new enough to start it. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { fakeQueue, KEY, startStub } from "./stub-api.ts";

const BIN = fileURLToPath(new URL("../../bin/orchestrator.js", import.meta.url));

async function spawned(args: string[], env: Record<string, string>, cwd: string, stdin = "") {
  const child = spawn(process.execPath, [BIN, ...args], { cwd, env: { PATH: process.env.PATH, ...env } });
  child.stdin.end(stdin);
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "exit"),
  ]);
  return { code, stdout, stderr };
}

test("the program enqueues from stdin, with the key that the first start left", async (t) => {
  const stub = await startStub(t, fakeQueue());
  const folder = mkdtempSync(join(tmpdir(), "orchestrator-bin-"));
  t.after(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, "data"));
  writeFileSync(join(folder, "data", "admin-key"), KEY);
  const csv = "title,brief\nA,x\nB,\n";
  const outcome = await spawned(["enqueue", "-"], { ORCHESTRATOR_URL: stub.url }, folder, csv);
  assert.deepEqual(outcome, {
    code: 1,
    stdout: "1 enqueued, 0 duplicates, 1 bad line\n",
    stderr: "line 3: brief is missing\n",
  });
  assert.equal(stub.requests[0]!.authorization, `Bearer ${KEY}`);
});

test("an unknown command is exit code 2, help is exit code 0", async () => {
  const wrong = await spawned(["statsu"], {}, tmpdir());
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /Did you mean status\?/);
  const help = await spawned(["--help"], {}, tmpdir());
  assert.equal(help.code, 0);
  assert.match(help.stdout, /enqueue/);
});

test("Ctrl-C while it waits for a lost server ends it, with how far it got", async (t) => {
  const stub = await startStub(t, () => ({ status: 503 }));
  const child = spawn(process.execPath, [BIN, "enqueue", "-"], {
    env: { PATH: process.env.PATH, ORCHESTRATOR_URL: stub.url, ORCHESTRATOR_API_KEY: KEY },
  });
  child.stdin.end("title,brief\nA,x\n");
  const [first] = await once(child.stderr, "data");
  assert.match(String(first), /trying again in/);
  child.kill("SIGINT");
  const [rest, [code]] = await Promise.all([text(child.stderr), once(child, "exit")]);
  assert.equal(code, 130);
  assert.match(rest, /interrupted;[\s\S]*hint: run the same command again/);
});

/** The way through a real server, and out of the process. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { z } from "zod";
import { defineWorkflow, serve } from "./index.ts";
import { playOrchestrator } from "./testing.ts";

const SECRET = `whsec_${Buffer.from("a secret of the test").toString("base64")}`;

function aWorkflow(type: string) {
  return defineWorkflow(
    { type, input: z.object({}), run: async () => type },
    { log: () => {}, signingSecret: SECRET },
  );
}

test("one workflow answers at the url and below it, signature and all", async () => {
  await using orchestrator = await playOrchestrator();
  const server = await serve(aWorkflow("one"), { port: 0, path: "hooks/" });
  try {
    assert.match(server.url, /^http:\/\/127\.0\.0\.1:\d+\/hooks$/);
    for (const url of [server.url, `${server.url}/one`, `${server.url}/one/?x=1`]) {
      const options = { workflowType: "one", secret: SECRET, tasks: [{ payload: {} }] };
      const sent = await orchestrator.dispatch(url, options);
      assert.equal(sent.status, 202);
      assert.equal((await sent.callback).items?.[0]?.result_data, "one");
    }
    assert.equal((await fetch(new URL("/healthz", server.url))).status, 200);
    assert.equal((await fetch(new URL("/elsewhere", server.url), { method: "POST" })).status, 404);
    assert.equal((await fetch(server.url)).status, 405);
    assert.equal((await fetch(server.url, { method: "POST", body: "{}" })).status, 415);
  } finally {
    await server.close();
  }
  await assert.rejects(fetch(server.url));
});

test("several workflows answer each at its own name", async () => {
  await using orchestrator = await playOrchestrator();
  const server = await serve([aWorkflow("one"), aWorkflow("two")], { port: 0 });
  const options = { secret: SECRET, tasks: [{ payload: {} }] };
  const sent = await orchestrator.dispatch(`${server.url}/two`, options);
  assert.equal((await sent.callback).items?.[0]?.result_data, "two");
  assert.equal((await orchestrator.dispatch(server.url, { ...options, workflowType: "two" })).status, 404);
  await server.close();
  await server.close();
});

test("a body that is too large is refused, and the connection does not take its rest for a request", async () => {
  const server = await serve(aWorkflow("one"), { port: 0 });
  const body = new Uint8Array(17 * 1024 * 1024);
  const headers = { "content-type": "application/json" };
  const status = await fetch(server.url, { method: "POST", headers, body }).then(
    (response) => response.status,
    () => "cut",
  );
  assert.ok(status === 413 || status === "cut");
  assert.equal((await fetch(new URL("/healthz", server.url))).status, 200);
  await server.close();
});

test("a port that is taken rejects, and two workflows of one name are refused", async () => {
  const server = await serve(aWorkflow("one"), { port: 0 });
  await assert.rejects(serve(aWorkflow("two"), { port: Number(new URL(server.url).port) }), /EADDRINUSE/);
  await assert.rejects(serve([aWorkflow("a"), aWorkflow("a")], { port: 0 }), /two workflows are named "a"/);
  await server.close();
});

test("after close nothing of the sdk keeps the process alive, not even work that hangs", async () => {
  const script = `
    import { z } from "zod";
    import { defineWorkflow, serve } from "./index.ts";
    import { playOrchestrator } from "./testing.ts";
    const orchestrator = await playOrchestrator();
    orchestrator.faults.refuseCallbacks = 1;
    const started = Promise.withResolvers();
    const run = (task, { signal }) => new Promise((_, reject) => {
      started.resolve();
      signal.addEventListener("abort", () => reject(signal.reason));
    });
    const server = await serve(defineWorkflow({ type: "one", input: z.object({}), run }), { port: 0 });
    await orchestrator.dispatch(server.url, { workflowType: "one", tasks: [{ payload: {} }] });
    await started.promise;
    await server.close();
    await orchestrator.close();
    console.log((await orchestrator.callback).status);
  `;
  const child = spawn(process.execPath, ["--input-type=module-typescript", "--eval", script], {
    cwd: import.meta.dirname,
    timeout: 20_000,
    stdio: ["ignore", "pipe", "ignore"],
  });
  let out = "";
  child.stdout.on("data", (chunk) => {
    out += chunk;
  });
  const [code] = await once(child, "close");
  assert.deepEqual([code, out], [0, "failed\n"]);
});

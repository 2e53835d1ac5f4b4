/** The example of the README and of examples/sub-workflow: one text, no drift, and three ways that say the same. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { runInNewContext } from "node:vm";
import { Callback, validate } from "@master-orchestrator/contract";
import { playOrchestrator } from "./testing.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const read = (path: string) => readFileSync(`${ROOT}${path}`, "utf8");
const fileOf = (name: string) => `${ROOT}examples/sub-workflow/${name}`;

/** What is dispatched to each of the three, and what each has to call back. */
const TASKS = ["one two three four", " ", "  two\nlines "].map((text) => ({ payload: { text } }));
const WORDS = [4, "the text is empty", 2];

/** The number of words or the error, in the order of `taskIds`. */
function told(callback: Callback, taskIds: string[]): unknown[] {
  return taskIds.map((id) => {
    const item = callback.items?.find(({ task_id }) => task_id === id);
    return (item?.result_data as { words?: number } | undefined)?.words ?? item?.error_data?.message;
  });
}

interface Node {
  name: string;
  parameters: { url?: string; jsCode?: string };
}

describe("the example", { timeout: 100_000 }, () => {
  it("stands in the README as it stands in examples/, complete in 30 lines", () => {
    const blocks = [...read("sdk/README.md").matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code]) => code);
    assert.equal(blocks[0], read("examples/sub-workflow/word-count.ts"));
    assert.equal(blocks[1], read("examples/sub-workflow/try.ts"));
    assert.ok(blocks[0].trimEnd().split("\n").length <= 30);
  });

  it("counts with the sdk", async () => {
    await using orchestrator = await playOrchestrator();
    const { SIGNING_SECRET: _none, ...env } = process.env;
    const started = spawn(process.execPath, [fileOf("word-count.ts")], {
      env: { ...env, PORT: "0" },
      stdio: ["ignore", "pipe", "inherit"],
    });
    try {
      const [line] = await Promise.race([once(started.stdout, "data"), once(started, "exit")]);
      const url = /http\S+/.exec(String(line))?.[0] ?? assert.fail(`it ended: ${line}`);
      const sent = await orchestrator.dispatch(url, { workflowType: "word_count", tasks: TASKS });
      const callback = await sent.callback;
      assert.equal(callback.status, "partial");
      assert.deepEqual(told(callback, sent.taskIds), WORDS);
    } finally {
      started.kill();
    }
  });

  it("counts with curl and jq", { skip: missing("curl") || missing("jq") }, async () => {
    await using orchestrator = await playOrchestrator();
    const sent = await orchestrator.dispatch(
      inPlace(async (request) => {
        const shell = spawn("sh", [fileOf("word-count.sh")], { stdio: ["pipe", "ignore", "inherit"] });
        shell.stdin.end(Buffer.from(await request.arrayBuffer()));
        const [code] = await once(shell, "exit");
        assert.equal(code, 0);
      }),
      { tasks: TASKS },
    );
    const callback = await sent.callback;
    assert.deepEqual(
      orchestrator.calls.map(({ kind, status }) => [kind, status]),
      [
        ["claim", 200],
        ["callback", 200],
      ],
    );
    assert.equal(callback.status, "partial");
    assert.deepEqual(told(callback, sent.taskIds), WORDS);
  });

  it("counts in n8n: accept, claim, count, call back, with a callback that keeps the contract", async () => {
    const { nodes, connections } = JSON.parse(read("examples/sub-workflow/n8n-word-count.json"));
    const next = (name: string): string | undefined => connections[name]?.main[0][0].node;
    const chain: string[] = [];
    for (let name = next("Dispatched"); name; name = next(name)) chain.push(name);
    assert.deepEqual(chain, ["Accept", "Claim", "Count", "Call back"]);
    const node = (name: string) => nodes.find((each: Node) => each.name === name).parameters;
    assert.match(node("Claim").url, /callback_url\.replace\(\/callback\$\/, 'claim'\)/);
    assert.match(node("Call back").url, /callback_url/);

    await using orchestrator = await playOrchestrator();
    let callback: Callback | undefined;
    const sent = await orchestrator.dispatch(
      inPlace(async (request) => {
        const json = { body: await request.json() };
        const code = `(() => { ${node("Count").jsCode} })()`;
        const [given] = runInNewContext(code, { $: () => ({ first: () => ({ json }) }) });
        callback = validate(Callback, JSON.parse(JSON.stringify(given.json)));
      }),
      { tasks: TASKS },
    );
    assert.equal(callback?.status, "partial");
    assert.deepEqual(told(callback, sent.taskIds), WORDS);
  });
});

/** A workflow without an address: `work` has the request, and is done before the answer. */
function inPlace(work: (request: Request) => Promise<void>) {
  return {
    type: "word_count",
    async handle(request: Request) {
      await work(request);
      return Response.json({ accepted: true }, { status: 202 });
    },
    idle: async () => {},
    stop: async () => {},
  };
}

function missing(program: string): string | false {
  const paths = (process.env.PATH ?? "").split(":");
  return paths.some((path) => existsSync(`${path}/${program}`)) ? false : `${program} is not installed`;
}

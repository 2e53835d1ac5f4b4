/** `orchestrator n8n` on files: what it writes, where, and how it ends. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { describe, it } from "node:test";
import { exported } from "#test/n8n/fixtures.ts";
import { command } from "./stub-api.ts";

/** Nothing is ever asked for there: these commands need no service. */
const NOWHERE = "https://mo.example.com";
const files = {
  "a.json": exported("v2-content-pipeline"),
  "b.json": exported("v2-agent-gemini"),
  "off.json": exported("v1-disabled-schedule"),
  "bad.json": "{",
};

describe("n8n transform and rollback", () => {
  it("write to a file, tell what is to be done on standard error, and lead back to the bytes", async (t) => {
    for (const phase of ["mutex", "basic", "gateway"]) {
      const line = ["n8n", "transform", "a.json", "--phase", phase, "--out", "made.json"];
      const made = await command(t, NOWHERE, line, { files });
      assert.equal(made.code, 0, made.stderr);
      assert.equal(made.stdout, "");
      assert.match(made.stderr, /- In n8n create a credential/);
      assert.deepEqual(readdirSync(made.folder).sort(), [
        "a.json",
        "b.json",
        "bad.json",
        "made.json",
        "off.json",
      ]);
      const bytes = readFileSync(join(made.folder, "made.json"));
      const again = await command(
        t,
        NOWHERE,
        ["n8n", "transform", "made.json", "--phase", phase, "--out", "made.json"],
        {
          files: { "made.json": bytes },
        },
      );
      assert.deepEqual(readFileSync(join(again.folder, "made.json")), bytes);
      const back = await command(t, NOWHERE, ["n8n", "rollback", "made.json", "--out", "back.json"], {
        files: { "made.json": bytes },
      });
      assert.equal(back.code, 0, back.stderr);
      assert.deepEqual(readFileSync(join(back.folder, "back.json")), files["a.json"]);
    }
  });

  it("take standard input, and write nothing but the workflow to standard output", async (t) => {
    const made = await command(t, NOWHERE, ["n8n", "transform", "-"], {
      stdin: Readable.from([files["a.json"]]),
    });
    assert.equal(made.code, 0);
    assert.equal(JSON.parse(made.stdout).name, "Content Pipeline");
    const back = await command(t, NOWHERE, ["n8n", "rollback", "-"], { stdin: Readable.from([made.stdout]) });
    assert.equal(back.stdout, files["a.json"].toString());
  });

  it("take the orchestrator's address from the option or the environment, and names from options", async (t) => {
    const line = ["n8n", "transform", "a.json", "--phase", "mutex", "--lock", "platform", "--wait", "5"];
    const made = await command(t, NOWHERE, [...line, "--workflow-type", "news"], { files });
    assert.match(made.stdout, /"https:\/\/mo\.example\.com\/api\/v1\/locks\/platform\/acquire"/);
    assert.match(made.stdout, /wait_seconds: 5/);
    assert.match(made.stderr, /workflow type news/);
    const other = await command(t, NOWHERE, [...line, "--orchestrator-url", "http://mo:8080/"], { files });
    assert.match(other.stdout, /"http:\/\/mo:8080\/api\/v1\/locks/);
  });

  const refused: [line: string[], told: RegExp][] = [
    [["transform", "off.json"], /refused .*off\.json: "Paused": its schedule .* is disabled[\s\S]*hint: /],
    [["transform", "bad.json"], /bad\.json: the file is not JSON/],
    [["transform", "gone.json"], /cannot read gone\.json: there is no such file/],
    [["transform", "a.json", "--out", "no/such/folder.json"], /cannot write no\/such/],
    [["rollback", "a.json"], /was not made by orchestrator n8n transform/],
    [["inspect", "a.json", "bad.json"], /bad\.json: the file is not JSON/],
  ];
  for (const [line, told] of refused) {
    it(`exit 1 and the reason: ${line.join(" ")}`, async (t) => {
      const outcome = await command(t, NOWHERE, ["n8n", ...line], { files });
      assert.equal(outcome.code, 1);
      assert.match(outcome.stderr, told);
      assert.equal(outcome.stdout, "");
      assert.equal(readdirSync(outcome.folder).length, 4, "nothing is half written");
    });
  }

  const wrong: [line: string[], told: RegExp][] = [
    [["transform"], /which file\?/],
    [["transform", "a.json", "b.json"], /.*/],
    [["transform", "a.json", "--phase", "mutec"], /did you mean "mutex"\?/],
    [["transform", "a.json", "--workflow-type", "No Good"], /--workflow-type is/],
    [["transform", "a.json", "--lock", "a b"], /--lock is/],
    [["transform", "a.json", "--wait", "301"], /from 0 to 300/],
    [
      ["transform", "a.json", "--orchestrator-url", "ftp://x"],
      /--orchestrator-url is neither http nor https/,
    ],
    [["inspect"], /which file\?/],
    [["inspect", "a.json", "--timezone", "Mars"], /no time zone/],
    [["inspect", "a.json", "--from", "soon"], /--from is no time/],
    [["rollback"], /which file\?/],
    [["transform", "a.json", "--url", "http://n8n:5678"], /a file and a live n8n exclude each other/],
    [["transform", "--workflow", "12"], /which n8n\?/],
    [["transform", "--url", "http://n8n:5678", "--workflow", "12"], /no API key of n8n/],
    [["transform", "--url", "http://n8n:5678", "--api-key", "k"], /which workflow\?/],
    [["inspect", "--url", "n8n", "--api-key", "k"], /--url is no address/],
  ];
  for (const [line, told] of wrong) {
    it(`exit 2: ${line.join(" ")}`, async (t) => {
      const outcome = await command(t, NOWHERE, ["n8n", ...line], { files });
      assert.equal(outcome.code, 2, outcome.stderr);
      assert.match(outcome.stderr, told);
      assert.equal(outcome.stdout, "");
    });
  }

  it("an edited workflow is rolled back by force only, and what is lost is told", async (t) => {
    const made = await command(t, NOWHERE, ["n8n", "transform", "a.json"], { files });
    const edited = { "made.json": made.stdout.replace("rejected", "dropped") };
    const refusal = await command(t, NOWHERE, ["n8n", "rollback", "made.json"], { files: edited });
    assert.deepEqual([refusal.code, refusal.stdout], [1, ""]);
    assert.match(refusal.stderr, /edited since it was transformed: node "Reject" was changed/);
    const forced = await command(t, NOWHERE, ["n8n", "rollback", "made.json", "--force"], { files: edited });
    assert.equal(forced.stdout, files["a.json"].toString());
    assert.match(forced.stderr, /lost: node "Reject" was changed/);
  });
});

describe("n8n inspect", () => {
  it("shows what each workflow uses, what can be done with it, and where they will meet", async (t) => {
    const line = ["n8n", "inspect", "a.json", "b.json", "--from", "2026-12-07"];
    const { code, stdout } = await command(t, NOWHERE, line, { files });
    assert.equal(code, 0);
    for (const told of [
      /Content Pipeline \(a\.json, active\)/,
      /schedule +Every 15 minutes: every 15 minutes, Europe\/Berlin/,
      /models +Write \(openai\)/,
      /databases +Next topics/,
      /credentials +Content database \(postgres\), OpenAI account \(openAiApi\)/,
      /ends +Publish, Reject/,
      /timeout +600 seconds/,
      /gateway +possible/,
      /Research[\s\S]*America\/New_York[\s\S]*Claude \(other; /,
      /84 +2026-12-07T01:00:00.000Z +4 +Content Pipeline, Research/,
      /busiest minute: 4 AI calls at least/,
    ]) {
      assert.match(stdout, told);
    }
  });

  it("as JSON, in snake_case", async (t) => {
    const { stdout } = await command(t, NOWHERE, ["n8n", "inspect", "a.json", "off.json", "--json"], {
      files,
      env: { GENERIC_TIMEZONE: "UTC" },
    });
    const { workflows, collisions } = JSON.parse(stdout);
    assert.deepEqual(workflows[0].schedules[0].rules[0], {
      text: "every 15 minutes",
      cron: "*/15 * * * *",
      every_seconds: 900,
      uncertain: null,
      problem: null,
    });
    assert.deepEqual(workflows[0].phases.mutex, { possible: true, reason: null });
    assert.equal(workflows[1].phases.basic.possible, false);
    assert.match(workflows[1].phases.basic.reason, /is disabled/);
    assert.equal(workflows[1].time_zone, "UTC");
    assert.deepEqual(collisions.expected, []);
  });
});

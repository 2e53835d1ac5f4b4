/** The way back: to the original's bytes, through edits and through n8n, or not at all. */
import assert from "node:assert/strict";
import { describe, it, test } from "node:test";
import { bytesOf, exported, nodeOf, refusal, workflowIn } from "#test/n8n/fixtures.ts";
import { NAMES } from "./parts.ts";
import { rollback, transform } from "./transform.ts";
import type { N8nWorkflow } from "./workflow.ts";

describe("a transformed workflow", () => {
  const original = exported("v2-content-pipeline");
  const { bytes } = transform(original, { phase: "basic" });

  it("is not transformed for another phase on top", () => {
    const { message, hint } = refusal(() => transform(bytes, { phase: "mutex" }));
    assert.match(message, /transformed already, for the phase basic/);
    assert.match(hint, /rollback/);
  });

  it("is made anew from its original where other settings are asked for", () => {
    const renamed = transform(bytes, { phase: "basic", workflowType: "news" });
    assert.deepEqual(renamed.bytes, transform(original, { phase: "basic", workflowType: "news" }).bytes);
    assert.equal(renamed.unchanged, false);
  });

  it("survives a way through n8n: other ids, places, formats and n8n's own settings are no edit", () => {
    const round = workflowIn(bytes);
    for (const node of round.nodes) {
      node.id = `other ${node.name}`;
      node.position = [7, 7];
      for (const credential of Object.values(node.credentials ?? {}))
        (credential as { id: unknown }).id = "found";
    }
    round.settings = { ...round.settings, binaryMode: "separate", timeSavedMode: "fixed" };
    round.versionId = "another";
    assert.deepEqual(Buffer.from(rollback(bytesOf([round]), false).bytes), original);
  });

  const edits: [what: string, edit: (workflow: N8nWorkflow) => void, told: RegExp][] = [
    ["a parameter", (w) => Object.assign(nodeOf(w, "Write"), { parameters: {} }), /node "Write" was changed/],
    [
      "a node that was added",
      (w) => w.nodes.push({ name: "New", type: "n8n-nodes-base.noOp" }),
      /"New" was added/,
    ],
    [
      "a node that was removed",
      (w) => Object.assign(w, { nodes: w.nodes.filter((n) => n.name !== "Note") }),
      /"Note" was removed/,
    ],
    ["a connection", (w) => void delete w.connections.Write, /the connections were changed/],
    ["a setting", (w) => Object.assign(w.settings!, { timezone: "UTC" }), /setting "timezone" was changed/],
    ["its name", (w) => Object.assign(w, { name: "Another" }), /the name was changed/],
  ];
  for (const [what, edit, told] of edits) {
    it(`tells of an edit of ${what}, and is rolled back by force only`, () => {
      const edited = workflowIn(bytes);
      edit(edited);
      assert.match(refusal(() => rollback(bytesOf(edited), false)).message, told);
      assert.match(refusal(() => transform(bytesOf(edited), { phase: "basic" })).message, told);
      assert.deepEqual(Buffer.from(rollback(bytesOf(edited), true).bytes), original);
    });
  }

  it("with a damaged mark is never taken for an original", () => {
    const broken = workflowIn(bytes);
    const mark = nodeOf(broken, NAMES.mark);
    mark.notes = mark.notes?.replace(/"original":"..../, '"original":"AAAA');
    assert.match(
      refusal(() => rollback(bytesOf(broken), true)).message,
      /cannot be unpacked|not what was put/,
    );
    broken.nodes = broken.nodes.filter((node) => node !== mark);
    assert.match(refusal(() => rollback(bytesOf(broken), true)).message, /was not made by/);
    assert.match(
      refusal(() => transform(bytesOf(broken), { phase: "basic" })).message,
      /as the nodes are that transform adds/,
    );
  });
});

test("an original comes back byte for byte, whatever its form: byte order mark, tabs, CRLF, odd numbers", () => {
  const value = JSON.stringify(
    { ...workflowIn(exported("v1-cron-node")), zzz: 1, aaa: { "2": 1, "10": 2 } },
    null,
    "\t",
  );
  const odd =
    `\ufeff${value.replace('"zzz": 1', '"zzz": 1.50e3, "big": 12345678901234567890')}\n\n`.replaceAll(
      "\n",
      "\r\n",
    );
  const original = new TextEncoder().encode(odd);
  const { bytes } = transform(original, { phase: "basic" });
  assert.deepEqual(Buffer.from(rollback(bytes, false).bytes), Buffer.from(original));
});

test("the largest workflow comes back too, and a larger one is refused", () => {
  const aLarge = (nodes: number) => {
    const large = workflowIn(exported("v1-cron-node"));
    const more = Array.from({ length: nodes - 2 }, (_, i) => ({
      name: `N${i}`,
      type: "n8n-nodes-base.noOp",
    }));
    return bytesOf({ ...large, nodes: [...large.nodes, ...more] });
  };
  const { bytes } = transform(aLarge(2000), { phase: "mutex" });
  assert.deepEqual(Buffer.from(rollback(bytes, false).bytes), Buffer.from(aLarge(2000)));
  assert.match(
    refusal(() => transform(aLarge(2001), { phase: "mutex" })).message,
    /2001 nodes; 2000 are allowed/,
  );
  const padded = {
    ...workflowIn(exported("v1-cron-node")),
    pinData: { x: "y".repeat(16 * 1024 * 1024 - 5000) },
  };
  assert.match(refusal(() => transform(bytesOf(padded), { phase: "basic" })).message, /larger than 16 MB/);
});

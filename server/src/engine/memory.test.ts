/** What a process does about its own memory, by readings that the test makes up. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aPolicy } from "#test/builders.ts";
import { collectGarbage, createMemoryWatch, ownRssMb } from "./memory.ts";

const limits = aPolicy({ memory: { max_rss_mb: 1000 } }).memory;

function watched(readings: number[]) {
  const did: string[] = [];
  let nowMs = 0;
  const watch = createMemoryWatch({
    rssMb: () => (readings.length > 1 ? readings.shift() : readings[0]) as number,
    monotonicMs: () => nowMs,
    caches: [{ name: "keys", drop: () => did.push("dropped keys") }],
    collectGarbage: () => did.push("collected"),
    log: { debug() {}, info: (message) => did.push(message), warn() {}, error() {} },
    onRunaway: (reason) => did.push(reason),
  });
  return {
    did,
    look: () => watch.look(limits),
    later: (seconds: number) => {
      nowMs += seconds * 1000;
    },
  };
}

describe("a process above its memory's limit", () => {
  it("does nothing up to the limit", () => {
    const { did, look } = watched([1000]);
    assert.deepEqual(look(), { rssMb: 1000, memoryPressed: false });
    assert.deepEqual(did, []);
  });

  it("drops its caches and collects garbage at once, and is not short if that was all", () => {
    const { did, look } = watched([1100, 1100, 700]);
    assert.deepEqual(look(), { rssMb: 700, memoryPressed: false });
    assert.deepEqual(did, ["dropped keys", "collected"]);
  });

  for (const [mb, short] of [
    [999, true],
    [851, true],
    [850, false],
  ] as const) {
    it(`is ${short ? "short still" : "not short any more"} at ${mb} MB, once it was short`, () => {
      const { look } = watched([1100, 1100, 1050, mb]);
      assert.equal(look().memoryPressed, true);
      assert.deepEqual(look(), { rssMb: mb, memoryPressed: short });
    });
  }

  it("does it again only after half a minute, since it stops everything else", () => {
    const { did, look, later } = watched([1100]);
    look();
    later(5);
    look();
    assert.equal(did.length, 2);
    later(25);
    look();
    assert.equal(did.length, 4);
  });
});

describe("a process that runs away", () => {
  it("asks to be started anew, once, after a minute far above the limit", () => {
    const { did, look, later } = watched([1600]);
    look();
    later(59);
    look();
    assert.ok(!did.some((what) => what.startsWith("1600 MB")));
    later(1);
    look();
    look();
    const asked = did.filter((what) => what.startsWith("1600 MB"));
    assert.equal(asked.length, 1);
    assert.match(asked[0] as string, /for 60 s, more than 1.5 times the 1000 MB of policy memory.max_rss_mb/);
  });

  it("does not if it was less in between", () => {
    const { did, look, later } = watched([1600, 1600, 1600, 1400, 1600]);
    look();
    later(20);
    look();
    later(45);
    look();
    assert.ok(!did.some((what) => what.startsWith("1600 MB")));
  });
});

it("the collector of this process can be called, and its memory be read", () => {
  collectGarbage();
  assert.ok(ownRssMb() > 10);
});

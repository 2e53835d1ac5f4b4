/** Many callers, one commit: grouped, in order, each with its own result, and a bad one fails alone. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { groupCommit } from "./group-commit.ts";

/** A write that ends when the test says so. */
function slowly<In, Out>(answer: (item: In) => Out) {
  const groups: In[][] = [];
  const ends: (() => void)[] = [];
  const write = async (items: In[]) => {
    groups.push(items);
    await new Promise<void>((resolve) => ends.push(resolve));
    return items.map(answer);
  };
  const end = async () => {
    ends.shift()?.();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { groups, write, end };
}

describe("calls that come while a write is under way", () => {
  it("go together into the next one, and each gets its own result", async () => {
    const { groups, write, end } = slowly((n: number) => n * 10);
    const call = groupCommit(write, { maxItems: 50 });
    const results = [1, 2, 3, 4].map((n) => call(n));
    await end();
    await end();
    assert.deepEqual(groups, [[1], [2, 3, 4]]);
    assert.deepEqual(await Promise.all(results), [10, 20, 30, 40]);
  });

  it("are at most as many as allowed; the others follow, in their order", async () => {
    const { groups, write, end } = slowly((n: number) => n);
    const call = groupCommit(write, { maxItems: 2 });
    const results = [1, 2, 3, 4, 5, 6].map((n) => call(n));
    for (let i = 0; i < 4; i++) await end();
    assert.deepEqual(groups, [[1], [2, 3], [4, 5], [6]]);
    await Promise.all(results);
  });

  it("with the same key never share a write", async () => {
    const { groups, write, end } = slowly((item: string) => item);
    const call = groupCommit(write, { maxItems: 9, keyOf: (item) => item[0] as string });
    const results = ["z", "a1", "a2", "b1", "a3"].map((item) => call(item));
    for (let i = 0; i < 4; i++) await end();
    assert.deepEqual(groups, [["z"], ["a1", "b1"], ["a2"], ["a3"]]);
    await Promise.all(results);
  });
});

it("between two writes more is gathered, and whoever waits is told what the last one took", async () => {
  const { groups, write, end } = slowly((n: number) => n);
  const took: number[] = [];
  const gathered = Promise.withResolvers<void>();
  const call = groupCommit(write, {
    maxItems: 9,
    gather(tookMs) {
      took.push(tookMs);
      return gathered.promise;
    },
  });
  const first = call(1);
  await end();
  const others = [call(2), call(3)];
  assert.deepEqual(groups, [[1]]);
  gathered.resolve();
  await first;
  await end();
  await Promise.all(others);
  assert.deepEqual(groups, [[1], [2, 3]]);
  assert.ok(took.every((ms) => ms > 0));
});

describe("a write that fails", () => {
  it("is repeated one by one, so that only the bad item is told", async () => {
    const write = async (items: number[]) => {
      if (items.includes(13)) throw new Error("13 is bad");
      return items.map((n) => -n);
    };
    const call = groupCommit(write, { maxItems: 9 });
    const results = await Promise.allSettled([1, 2, 13, 4].map((n) => call(n)));
    assert.deepEqual(
      results.map((result) => (result.status === "fulfilled" ? result.value : result.reason.message)),
      [-1, -2, "13 is bad", -4],
    );
    assert.equal(await call(5), -5, "and the next call is served");
  });
});

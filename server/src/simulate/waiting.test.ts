/** The simulated queue and its due list hand out the same as a sorted list would, whatever comes and goes. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { chance } from "./chance.ts";
import { openDueList } from "./due-list.ts";
import { openWaiting, type QueuedTask } from "./waiting.ts";

describe("the waiting tasks of a world", () => {
  it("show the oldest of each level, lane by lane, whatever comes and goes", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const random = chance(seed);
      const waiting = openWaiting();
      let kept: QueuedTask[] = [];
      for (let i = 0; i < 300; i++) {
        const task: QueuedTask = {
          taskId: `task-${String(i).padStart(4, "0")}`,
          ...{ workflowType: "w", contentType: random.maybe(0.5) ? "a" : "b", runsAlone: false },
          ...{ priority: random.int(0, 3) * 10, agedFromMs: random.int(0, 50) },
        };
        waiting.add(task);
        kept.push(task);
        if (!random.maybe(0.4)) continue;
        const gone = kept[random.int(0, kept.length - 1)] as QueuedTask;
        waiting.remove(gone);
        kept = kept.filter((other) => other !== gone);
      }
      for (const lane of waiting.lanes(() => 4)) {
        const all = kept
          .filter(({ contentType }) => contentType === lane.contentType)
          .sort((a, b) => a.agedFromMs - b.agedFromMs || (a.taskId < b.taskId ? -1 : 1));
        const heads = [0, 10, 20, 30].flatMap((level) =>
          all.filter(({ priority }) => priority === level).slice(0, 4),
        );
        assert.deepEqual(
          [lane.depth, lane.heads.map(({ taskId }) => taskId)],
          [all.length, heads.map(({ taskId }) => taskId)],
          `seed ${seed}`,
        );
      }
    }
  });

  it("complain of a task that does not wait", () => {
    const task = {
      taskId: "t",
      workflowType: "w",
      contentType: "a",
      priority: 1,
      agedFromMs: 0,
      runsAlone: false,
    };
    assert.throws(() => openWaiting().remove(task), /t does not wait in w\/a/);
  });
});

describe("the due list of a world", () => {
  it("forgets what was moved or ended, and hands out what is due until it is set anew", () => {
    const list = openDueList();
    list.set("a", 10);
    list.set("b", 5);
    list.set("c", 7);
    list.set("c", null);
    list.set("b", 20);
    assert.equal(list.nextMs(0), 10);
    assert.deepEqual([...list.due(10)], ["a"]);
    assert.deepEqual([[...list.due(15)], list.hasFresh(15), list.nextMs(15)], [["a"], false, 20]);
    list.set("a", 15);
    assert.equal(list.hasFresh(15), true);
    assert.deepEqual([...list.due(30)], ["a", "b"]);
    list.set("a", null);
    list.set("b", null);
    assert.deepEqual([[...list.due(30)], list.nextMs(30)], [[], null]);
  });
});

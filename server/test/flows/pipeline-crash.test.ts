/** Owns the proof that a replica which dies in the middle of an article leaves what is paid for to another. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { hang } from "#test/activity.ts";
import { openTestHouse, type TestHouse } from "#test/house.ts";
import { newsroom, type Script } from "#test/newsroom.ts";
import { stubProvider } from "#test/stub-provider.ts";

const SOURCE = `Heat pumps move heat instead of making it. That is why one kilowatt-hour of electricity becomes three of heat.
The compressor squeezes the vapour, which makes it hot. Engineers of the Fraunhofer Institute measured it, and the Fraunhofer Institute published it.`;
const topic = (over: object = {}) => ({
  title: "How heat pumps work",
  brief: "Explain heat pumps to home owners.",
  keywords: ["heat pump"],
  sources: [{ title: "Notes", text: SOURCE }],
  ...over,
});

async function open(t: TestContext, script: Script = {}, env: object = {}) {
  const provider = await stubProvider(t);
  const room = newsroom(provider, script);
  const house = await openTestHouse(t, { workflows: {}, env: { ...provider.env, ...env } });
  return { provider, room, house };
}

async function write(house: TestHouse, ...payloads: object[]): Promise<string[]> {
  const tasks = payloads.map((payload) => ({ workflow_type: "content_pipeline", payload }));
  const answer = await house.api("POST", "/tasks", { tasks });
  assert.equal(answer.status, 202, answer.text);
  return answer.body.tasks.map((task: { task_id: string }) => task.task_id);
}

async function ended(house: TestHouse, taskId: string, status = "completed") {
  await house.quiet();
  return await house.until(`task ${taskId} ${status}`, async () => {
    const task = await house.task(taskId);
    return task.status === status ? task : null;
  });
}

test("a replica that is killed in the middle of an article leaves it to another, which pays only for the rest", async (t) => {
  const { provider, room, house } = await open(t);
  let hanging = true;
  provider.fares(({ text }) => (hanging && text.includes("You judge") ? { kind: "hang" } : undefined));
  const [id] = await write(house, topic());
  const over = hang(`POST ${house.url}/ai/openai/v1/chat/completions`);
  await house.until("the judge is asked", () => room.counts().verdict === 1);
  const other = await house.replica();
  await house.kill();
  over();
  hanging = false;
  // Nobody hears from the run any more; its next attempt finds outline and article.
  for (let minutes = 0; minutes < 8; minutes++) {
    await other.leap(60_000);
    if ((await other.task(id!)).status === "completed") break;
  }
  await ended(other, id!);
  assert.deepEqual(room.counts(), { outline: 1, article: 1, verdict: 2 });
  assert.equal((await other.db.query("select from content.articles")).rowCount, 1);
});

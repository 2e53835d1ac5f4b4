/** Owns the proof of the content pipeline with models: written, judged, revised, reviewed, approved; nothing paid for twice. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { EntityReviewList, Review, ReviewList } from "@master-orchestrator/contract";
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

test("one model writes, the other provider's judges, and the article is published with its sources", async (t) => {
  const { room, house } = await open(t);
  const [id] = await write(house, topic());
  const { result_data: result } = await ended(house, id!);
  assert.deepEqual(room.asked(), [
    { question: "outline", model: "gemini/gemini-3.5-flash-lite" },
    { question: "article", model: "gemini/gemini-3.5-flash-lite" },
    { question: "verdict", model: "openai/gpt-6-luna" },
  ]);
  assert.equal(result.slug, "how-heat-pumps-work");
  assert.equal(result.article_url, "/articles/how-heat-pumps-work");
  assert.deepEqual(
    [result.review, result.generator, result.judge],
    [false, "gemini/gemini-3.5-flash-lite", "openai/gpt-6-luna"],
  );
  const page = await (await fetch(`${house.url}/articles/how-heat-pumps-work`)).text();
  assert.match(page, /<a href="#source-1" class="citation">1<\/a>/);
  const [executionId] = (await house.task(id!)).execution_ids;
  const { entries } = (await house.api("GET", `/budget/ledger?execution_id=${executionId}`)).body;
  assert.equal(entries.length, 3, "the audit that follows pays for its own calls");
});

test("an article below the bar is written once more with the judge's findings", async (t) => {
  const { provider, room, house } = await open(t, { marks: [2, 4] });
  const [id] = await write(house, topic());
  const { result_data: result } = await ended(house, id!);
  assert.deepEqual(room.counts(), { outline: 1, article: 1, verdict: 2, revision: 1 });
  assert.equal(result.review, false);
  assert.match(provider.arrivals[3]!.text, /Say more of the costs/);
  const { articles } = (await (await fetch(`${house.url}/articles`)).json()) as {
    articles: { title: string }[];
  };
  assert.deepEqual(
    articles.map(({ title }) => title),
    ["Warm without a boiler, revised"],
  );
});

test("one that is still below the bar waits for a person; approved, it is published once; rejected, never", async (t) => {
  const { room, house } = await open(t, {
    doubts: [
      [1, 2],
      [1, 2],
    ],
  });
  const ids = await write(house, topic(), topic({ title: "Another one", brief: "Explain it to engineers." }));
  for (const id of ids) await ended(house, id);
  const result = (await house.task(ids[0]!)).result_data;
  assert.deepEqual([result.slug, result.article_url, result.review], ["how-heat-pumps-work", null, true]);
  assert.match(result.reasons[0], /claims are supported by the sources; 90 % are required/);
  const { reviews } = ReviewList.parse((await house.api("GET", "/content/reviews?status=pending")).body);
  assert.equal(reviews.length, 2);
  const { review_id } = reviews.find((review) => review.task_id === ids[0])!;
  assert.equal(review_id, result.review_id);
  const review = Review.parse((await house.api("GET", `/content/reviews/${review_id}`)).body);
  assert.match(review.article.markdown, /Heat pumps move heat/);
  const approved = await house.api("POST", `/content/reviews/${review_id}/approve`, {
    note: "checked by hand",
  });
  assert.equal(approved.status, 200, approved.text);
  assert.deepEqual([approved.body.status, approved.body.note], ["approved", "checked by hand"]);
  assert.match(approved.body.decided_by, /\S/);
  const again = await house.api("POST", `/content/reviews/${review_id}/approve`);
  assert.equal(again.body.publish_task_id, approved.body.publish_task_id);
  const published = await ended(house, approved.body.publish_task_id);
  assert.deepEqual(
    [published.result_data.slug, published.result_data.review],
    ["how-heat-pumps-work", false],
  );
  const late = await house.api("POST", `/content/reviews/${review_id}/reject`);
  assert.deepEqual([late.status, late.body.code], [409, "conflict"]);
  const other = reviews.find((one) => one.review_id !== review_id)!;
  const rejected = await house.api("POST", `/content/reviews/${other.review_id}/reject`, { note: "no" });
  assert.deepEqual([rejected.body.status, rejected.body.publish_task_id], ["rejected", null]);
  const { rows } = await house.db.query("select slug, task_id from content.articles");
  assert.deepEqual(rows, [{ slug: "how-heat-pumps-work", task_id: ids[0] }]);
  assert.equal(room.counts().verdict, 4, "publishing after review asks no model");
});

test("what a failed attempt has paid for is not paid for again", async (t) => {
  const { provider, room, house } = await open(t);
  let down = true;
  const body = { error: { message: "overloaded" } };
  const headers = { "retry-after-ms": "1" };
  provider.fares(({ text }) =>
    down && text.includes("You judge") ? { kind: "status", status: 500, headers, body } : undefined,
  );
  const [id] = await write(house, topic());
  await house.until("the judge to be asked again, when the workflow's own clock says so", async () => {
    await house.advance(1_000);
    return room.counts().verdict === 2;
  });
  const failed = await ended(house, id!, "retrying");
  assert.match(failed.errors[0].message, /^openai\/gpt-6-luna did not answer/);
  assert.deepEqual(room.counts(), { outline: 1, article: 1, verdict: 2 }, "asked again at once, once");
  down = false;
  await house.leap(80_000);
  await ended(house, id!);
  assert.deepEqual(room.counts(), { outline: 1, article: 1, verdict: 3 });
});

test("a near-duplicate of a published article waits for a person", async (t) => {
  const long = Array.from(
    { length: 30 },
    (_, i) => `Fact ${i} says that pump ${i} moves heat into house ${i}.`,
  ).join(" ");
  const { house } = await open(t, { text: () => long });
  const source = [{ text: `${SOURCE} ${long}` }];
  const [first] = await write(house, topic({ sources: source }));
  assert.equal((await ended(house, first!)).result_data.review, false);
  const [second] = await write(house, topic({ title: "The same again", sources: source }));
  const { result_data: result } = await ended(house, second!);
  assert.equal(result.review, true);
  assert.match(result.reasons[0], /the same as the article how-heat-pumps-work/);
});

test("a figure that no source has keeps an article back, whatever the judge says", async (t) => {
  const { house } = await open(t, { text: () => "A heat pump costs 98,765 euros." });
  const [id] = await write(house, topic());
  const { result_data: result } = await ended(house, id!);
  assert.equal(result.review, true);
  assert.match(result.reasons[0], /no source has the figure 98765/);
});

test("a name in doubt is put to the model; where that is unsure, to a person, whose word links the article", async (t) => {
  const { room, house } = await open(t, {
    names: [{ name: 1, same_as: 1, sure: false, why: "it does not tell" }],
  });
  const named = (name: string) => [{ text: `${SOURCE} Much of it is due to ${name}, and ${name} said so.` }];
  const [first] = await write(house, topic({ sources: named("Marie Curie") }));
  await ended(house, first!);
  assert.equal(room.counts().names, undefined, "without a doubt nobody is asked");
  const [second] = await write(house, topic({ title: "More of it", sources: named("Maria Curie") }));
  assert.ok(!(await ended(house, second!)).result_data.entities.includes("Maria Curie"));
  assert.equal(room.counts().names, 1);
  const list = EntityReviewList.parse(
    (await house.api("GET", "/content/entity-reviews?status=pending")).body,
  );
  const [review] = list.entity_reviews;
  assert.deepEqual([review!.name, review!.articles], ["Maria Curie", 1]);
  assert.match(review!.why, /gemini-3\.5-flash-lite is not sure: it does not tell/);
  const merged = await house.api("POST", `/content/entity-reviews/${review!.review_id}/merge`, {
    note: "one person",
  });
  assert.deepEqual([merged.status, merged.body.status], [200, "merged"], merged.text);
  const { rows } = await house.db.query(
    "select count(*) as n from content.article_entities where entity_id = $1",
    [merged.body.entity_id],
  );
  assert.equal(rows[0]!.n, 2);
});

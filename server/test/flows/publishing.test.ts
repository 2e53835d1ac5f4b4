/** Owns the proof of publishing: beyond our own site, by publishers that fail each for itself. */
import assert from "node:assert/strict";
import { createServer, type IncomingHttpHeaders } from "node:http";
import { type TestContext, test } from "node:test";
import { Publisher, PublisherList } from "@master-orchestrator/contract";
import { verify } from "@master-orchestrator/contract/signature";
import { openTestHouse, type TestHouse } from "#test/house.ts";

const SECRET = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const topic = (over: object = {}) => ({
  title: "How heat pumps work",
  brief: "Heat pumps move heat.",
  ...over,
});

interface Receiver {
  url: string;
  received: { headers: IncomingHttpHeaders; body: Buffer }[];
  /** Answers so many requests with 503. */
  failing: number;
}

/** Takes articles, and knows what it was sent. */
async function receiver(t: TestContext): Promise<Receiver> {
  const state: Receiver = { url: "", received: [], failing: 0 };
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    state.received.push({ headers: request.headers, body: Buffer.concat(chunks) });
    response.statusCode = state.failing-- > 0 ? 503 : 200;
    response.end(JSON.stringify({ id: 7, url: "https://blog.example/seven" }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  state.url = `http://127.0.0.1:${(server.address() as { port: number }).port}/articles`;
  return state;
}

async function put(house: TestHouse, name: string, body: object) {
  const answer = await house.api("PUT", `/content/publishers/${name}`, body);
  assert.equal(answer.status, 200, answer.text);
  return Publisher.parse(answer.body);
}

async function publishTo(house: TestHouse, ...publishers: string[]): Promise<void> {
  const answer = await house.api("PUT", "/workflows/content_pipeline", {
    schedule: null,
    params: { publishers },
  });
  assert.equal(answer.status, 200, answer.text);
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

test("a publisher that fails is tried again on its own; the others have the article once", async (t) => {
  const house = await openTestHouse(t, { workflows: {} });
  const [good, bad] = [await receiver(t), await receiver(t)];
  bad.failing = 1;
  await put(house, "good", { kind: "webhook", settings: { url: good.url }, secret: SECRET });
  await put(house, "bad", { kind: "webhook", settings: { url: bad.url } });
  await publishTo(house, "site", "bad", "good");
  const [id] = await write(house, topic());
  const failed = await ended(house, id!, "retrying");
  assert.match(failed.errors[0].message, /not everywhere: bad: 127\.0\.0\.1:\d+ answered HTTP 503/);
  assert.deepEqual([good.received.length, bad.received.length], [1, 1]);
  await house.leap(80_000);
  const { result_data: result } = await ended(house, id!);
  assert.deepEqual([good.received.length, bad.received.length], [1, 2]);
  assert.deepEqual(result.published_at_publishers, {
    bad: "https://blog.example/seven",
    good: "https://blog.example/seven",
  });
  assert.equal(result.article_url, "/articles/how-heat-pumps-work");
  const [{ headers, body }] = good.received as [Receiver["received"][number]];
  const lookup = { get: (name: string) => (headers[name] as string | undefined) ?? null };
  assert.deepEqual(verify(SECRET, lookup, body, house.clock.nowMs() / 1000), {
    ok: true,
    id: headers["webhook-id"],
  });
  assert.equal(
    bad.received[0]!.headers["webhook-id"],
    bad.received[1]!.headers["webhook-id"],
    "one id for one article",
  );
  assert.equal(JSON.parse(body.toString()).data.slug, "how-heat-pumps-work");
  const { rows } = await house.db.query(
    "select publisher, status, external_id, tries from content.publications order by 1",
  );
  assert.deepEqual(rows, [
    { publisher: "bad", status: "published", external_id: "7", tries: 2 },
    { publisher: "good", status: "published", external_id: "7", tries: 1 },
  ]);
});

test("an article that is meant for another site leads search engines there", async (t) => {
  const house = await openTestHouse(t, { workflows: {} });
  const blog = await receiver(t);
  await put(house, "blog", { kind: "webhook", settings: { url: blog.url } });
  await publishTo(house, "blog");
  const [id] = await write(house, topic());
  assert.equal((await ended(house, id!)).result_data.article_url, "https://blog.example/seven");
  const page = await (await fetch(`${house.url}/articles/how-heat-pumps-work`)).text();
  assert.match(page, /<link rel="canonical" href="https:\/\/blog\.example\/seven">/);
});

test("secrets are written and never shown; a publisher can be tried out, replaced and removed", async (t) => {
  const house = await openTestHouse(t, { workflows: {} });
  const blog = await receiver(t);
  const shown = await put(house, "blog", { kind: "webhook", settings: { url: blog.url }, secret: SECRET });
  assert.deepEqual([shown.has_secret, shown.settings], [true, { url: blog.url }]);
  const listed = await house.api("GET", "/content/publishers");
  PublisherList.parse(listed.body);
  assert.ok(!listed.text.includes(SECRET));
  const kept = await put(house, "blog", { kind: "webhook", settings: { url: blog.url }, enabled: false });
  assert.deepEqual([kept.has_secret, kept.enabled], [true, false]);
  const tried = await house.api("POST", "/content/publishers/blog/test");
  assert.deepEqual([tried.body.ok, blog.received.length], [true, 1], tried.text);
  blog.failing = 1;
  assert.deepEqual((await house.api("POST", "/content/publishers/blog/test")).body.ok, false);
  const refusals: [name: string, body: object, words: RegExp][] = [
    ["site", { kind: "markdown" }, /our own site/],
    ["a", { kind: "markdown", settings: { folder: "../up" } }, /below the articles' folder/],
    ["a", { kind: "markdown", settings: { folder: "/etc" } }, /below the articles' folder/],
    ["a", { kind: "webhook", settings: { url: "http://10.0.0.1/" } }, /private address/],
    ["a", { kind: "ftp" }, /wordpress/],
  ];
  for (const [name, body, words] of refusals) {
    const answer = await house.api("PUT", `/content/publishers/${name}`, body);
    assert.equal(answer.status, 422, answer.text);
    assert.match(answer.text, words);
  }
  assert.equal((await house.api("DELETE", "/content/publishers/blog")).status, 200);
  assert.equal((await house.api("DELETE", "/content/publishers/blog")).status, 404);
});

test("a pipeline that names a publisher which is not there says so before it begins", async (t) => {
  const house = await openTestHouse(t, { workflows: {} });
  await publishTo(house, "site", "blog");
  const [id] = await write(house, topic());
  const failed = await ended(house, id!, "retrying");
  assert.match(failed.errors[0].message, /params\.publishers names blog, which is not there/);
  assert.equal((await house.db.query("select from content.articles")).rowCount, 0);
});

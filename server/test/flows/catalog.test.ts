/** Owns the proof that a library that stood elsewhere comes in whole: categories, names, articles; once, sanitised, and audited. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CatalogAnswer } from "@master-orchestrator/contract";
import { openTestHouse, type TestHouse } from "#test/house.ts";

async function put(house: TestHouse, kind: string, rows: object[], source?: string) {
  const body = { ...(source ? { source } : {}), [kind]: rows };
  const answer = await house.api("POST", `/content/${kind}`, body);
  assert.equal(answer.status, 200, answer.text);
  return CatalogAnswer.parse(answer.body);
}
const all = (added: number, more: object = {}) => ({
  ...{ added, replaced: 0, unchanged: 0, refused: [], remarks: [], ...more },
});

const TEXT = `A heat pump moves heat instead of making it, which is why one kilowatt-hour of electricity becomes three of heat.
The heat pump takes warmth from the air outside even when that air is below freezing point.
A liquid called a refrigerant boils in the outdoor unit at about minus thirty degrees and soaks up warmth while it does so.
The compressor squeezes the vapour, which makes it hot enough to warm the water of the radiators indoors.
A heat pump works best in a house with large radiators, because these need water of no more than fifty degrees.
Old houses can have heat pumps too, provided that the pipes are clean and the roof was insulated before.
Owners of a heat pump in Freiburg measured a yearly ratio of three and a half over four winters in a row.`;
const PUMPS = {
  ...{ id: "post-7", title: "Heat pumps at home", slug: "heat-pumps", category: "energy" },
  html: `<h1>Pumps</h1><script>alert(1)</script><p onclick="x()">${TEXT}</p><a href="javascript:x">x</a>`,
  ...{
    keywords: ["heat pump"],
    entities: ["WHO", "Nobody Known"],
    published_at: "2020-05-01",
    author: "Ann",
  },
};

test("categories, entities and articles come in once; corrections replace; what cannot be taken is named", async (t) => {
  const house = await openTestHouse(t, { workflows: {} });
  const tree = [
    { slug: "energy", name: "Energy", parent: "home" },
    { slug: "home", name: "Home" },
    { slug: "lost", name: "Lost", parent: "nowhere" },
  ];
  const nowhere = [{ index: 2, message: 'there is no category "nowhere" for it to lie in' }];
  assert.deepEqual(await put(house, "categories", tree), all(2, { refused: nowhere }));
  const circle = await put(house, "categories", [{ slug: "home", name: "Home", parent: "energy" }]);
  assert.match(circle.refused[0]!.message, /would lie within itself/);

  const who = { name: "World Health Organization", aliases: ["WHO", "The W.H.O."] };
  assert.deepEqual(await put(house, "entities", [who, { name: "Red Cross" }]), all(2));
  assert.deepEqual(await put(house, "entities", [who]), all(0, { unchanged: 1 }));
  const both = await put(house, "entities", [{ name: "Red Cross", aliases: ["WHO"] }]);
  assert.match(both.refused[0]!.message, /belong to two entities/);

  const first = await put(
    house,
    "articles",
    [
      PUMPS,
      { title: "Nowhere", html: "<p>Text</p>", category: "nowhere" },
      { title: "Nothing", html: "<script>alert(1)</script>" },
    ],
    "blog",
  );
  assert.equal(first.added, 1);
  assert.deepEqual(
    first.refused.map(({ index }) => index),
    [1, 2],
  );
  assert.deepEqual(first.remarks.length, 1, "the name that nobody has");
  assert.deepEqual(await put(house, "articles", [PUMPS], "blog"), all(0, { unchanged: 1 }));
  const taken = await put(house, "articles", [{ ...PUMPS, id: "other" }], "blog");
  assert.match(taken.refused[0]!.message, /another article stands at the slug/);

  const page = await (await fetch(`${house.url}/articles/heat-pumps`)).text();
  assert.doesNotMatch(page, /alert\(1\)|onclick|javascript:/);
  assert.match(page, /<h2>Pumps<\/h2>[\s\S]*World Health Organization/);
  assert.match(page, /"articleSection":"Energy"/);
  const { articles } = (await house.api("GET", "/articles/category/home")).body ?? {};
  assert.equal(articles, undefined, "pages of readers lie outside of the API");
  const listed = (await (await fetch(`${house.url}/articles/category/home`)).json()) as {
    articles: { slug: string; category: string; task_id: null }[];
  };
  assert.deepEqual(
    listed.articles.map(({ slug, category, task_id }) => [slug, category, task_id]),
    [["heat-pumps", "energy", null]],
  );

  const corrected = { ...PUMPS, title: "Heat pumps in old houses" };
  assert.deepEqual((await put(house, "articles", [corrected], "blog")).replaced, 1);
  assert.match(await (await fetch(`${house.url}/articles/heat-pumps`)).text(), /Heat pumps in old houses/);
});

test("an imported article is audited as any other, and a topic finds its category", async (t) => {
  const house = await openTestHouse(t, { workflows: {} });
  await put(house, "categories", [{ slug: "energy", name: "Energy" }]);
  await put(house, "articles", [{ ...PUMPS, entities: [] }], "blog");
  const payload = (over: object) => ({
    ...{ title: "How heat pumps work", brief: "Explain heat pumps to home owners.", ...over },
    sources: [{ title: "Notes", text: TEXT }],
  });
  const enqueued = await house.api("POST", "/tasks", {
    tasks: [
      { workflow_type: "seo_monitor", payload: { slug: "heat-pumps" } },
      { workflow_type: "content_pipeline", payload: payload({ category: "energy" }) },
      { workflow_type: "content_pipeline", payload: payload({ category: "nowhere" }) },
    ],
  });
  const [audit, written, lost] = enqueued.body.tasks.map(({ task_id }: { task_id: string }) => task_id);
  const ended = (id: string, status: string) =>
    house.until(`task ${id} ${status}`, async () => {
      const task = await house.task(id);
      return task.status === status ? task : null;
    });
  const { result_data: audited } = await ended(audit, "completed");
  assert.ok(audited.score >= 0 && audited.score <= 100, JSON.stringify(audited));
  const { audits } = (await house.api("GET", "/content/audits?article=heat-pumps")).body;
  assert.equal(audits.length, 1);
  assert.equal((await ended(written, "completed")).result_data.category, "energy");
  const { errors } = await ended(lost, "dead_lettered");
  assert.match(errors[0].message, /there is no category "nowhere"/);
  // The text of the topic is the imported article's: originality sees it.
  const { rows } = await house.db.query(
    `select quality from content.articles where task_id = $1
     union all select article->'quality' from content.reviews where task_id = $1`,
    [written],
  );
  assert.equal(rows[0]!.quality.nearest?.slug, "heat-pumps");
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { playOrchestrator } from "@master-orchestrator/sdk/testing";
import { memoryLibrary } from "./memory-library.ts";
import { type ArticleResult, contentPipeline } from "./pipeline.ts";
import { GRID, HEAT_PUMPS } from "./writing/sample-topics.ts";

const OFFLINE = { gemini: false, openai: false };
const quiet = { log: () => {} };
const payload = (changes: object = {}) => ({
  title: "How heat pumps keep a house warm",
  brief: "Heat pumps are replacing boilers across northern Europe.",
  keywords: ["heat pump", "Fraunhofer Institute"],
  sources: [{ title: "Field notes", text: HEAT_PUMPS }, { text: GRID }, { url: "https://example.org/more" }],
  ...changes,
});

test("topics become published articles", async () => {
  await using orchestrator = await playOrchestrator();
  const library = memoryLibrary();
  const workflow = contentPipeline({ library, providers: OFFLINE, sdk: quiet });
  const sent = await orchestrator.dispatch(workflow, {
    tasks: [
      { payload: payload(), content_type: "how_to" },
      { payload: payload({ sources: [{ text: GRID }] }) },
    ],
  });
  const callback = await sent.callback;
  await workflow.stop();
  assert.equal(callback.status, "completed", JSON.stringify(callback));
  const results = callback.items!.map((item) => item.result_data as unknown as ArticleResult);
  assert.deepEqual(results.map((result) => result.article_url).sort(), [
    "/articles/how-heat-pumps-keep-a-house-warm",
    "/articles/how-heat-pumps-keep-a-house-warm-2",
  ]);
  assert.equal(library.articles.size, 2);
  const article = library.articles.get(sent.taskIds[0]!)!;
  assert.equal(article.contentType, "how_to");
  assert.equal(article.executionId, sent.executionId);
  assert.equal(article.generator, "offline-extractive");
  assert.ok(article.words > 200 && article.quality.score > 70);
  assert.ok(results[0]!.entities.includes("Fraunhofer Institute"));
  assert.deepEqual(
    article.sources.map((source) => source.read),
    [true, true, false],
  );
});

test("a topic that is no topic fails for good, and its neighbours go on", async () => {
  await using orchestrator = await playOrchestrator();
  const library = memoryLibrary();
  const workflow = contentPipeline({ library, providers: OFFLINE, sdk: quiet });
  const bad = [
    { title: "No" },
    { brief: "   " },
    { keyword: ["x"] },
    { sources: [{ title: "empty" }] },
    { sources: [{ url: "ftp://x" }] },
  ];
  const sent = await orchestrator.dispatch(workflow, {
    tasks: [{ payload: payload() }, ...bad.map((changes) => ({ payload: payload(changes) }))],
  });
  const callback = await sent.callback;
  await workflow.stop();
  assert.equal(callback.status, "partial");
  const [good, ...refused] = callback.items!;
  assert.equal(good!.status, "completed");
  for (const item of refused) {
    assert.equal(item.status, "failed");
    assert.equal(item.error_data?.retry_recommended, false, JSON.stringify(item));
  }
  assert.equal(library.articles.size, 1);
});

test("a later attempt does not do finished steps again, and publishes the same article", async () => {
  await using orchestrator = await playOrchestrator();
  const library = memoryLibrary();
  let failures = 1;
  const flaky = {
    ...library,
    publish: async (article: Parameters<typeof library.publish>[0]) => {
      if (failures-- > 0) throw new Error("the database is away");
      return await library.publish(article);
    },
  };
  let judged = 0;
  const workflow = contentPipeline({
    library: flaky,
    providers: OFFLINE,
    publicUrl: "https://news.example/",
    judge: () => {
      judged++;
      return { kind: "new", confidence: 1 };
    },
    sdk: quiet,
  });
  const first = await orchestrator.dispatch(workflow, { tasks: [{ payload: payload() }] });
  const failed = await first.callback;
  assert.match(failed.items![0]!.error_data!.message!, /the database is away/);
  assert.notEqual(failed.items![0]!.error_data!.retry_recommended, false);
  const judgedBefore = judged;
  const second = await orchestrator.dispatch(workflow, {
    tasks: [{ task_id: first.taskIds[0]!, payload: payload() }],
    attempt: 2,
    executionId: first.executionId,
  });
  const result = (await second.callback).items![0]!.result_data as unknown as ArticleResult;
  await workflow.stop();
  assert.equal(judged, judgedBefore, "the names were resolved once");
  assert.equal(result.article_url, "https://news.example/articles/how-heat-pumps-keep-a-house-warm");
  assert.equal(library.articles.size, 1);
});

test("with a provider on, a model that is down fails the task instead of being replaced", async () => {
  await using orchestrator = await playOrchestrator();
  const library = memoryLibrary();
  const workflow = contentPipeline({ library, providers: { gemini: true, openai: true }, sdk: quiet });
  const sent = await orchestrator.dispatch(workflow, { tasks: [{ payload: payload() }] });
  const callback = await sent.callback;
  await workflow.stop();
  const [item] = callback.items!;
  assert.equal(item!.status, "failed");
  assert.match(item!.error_data!.message!, /^gemini\/gemini-3\.5-flash-lite /);
  assert.equal(library.articles.size, 0);
});

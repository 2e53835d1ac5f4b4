import assert from "node:assert/strict";
import { test } from "node:test";
import { playOrchestrator } from "@master-orchestrator/sdk/testing";
import type { OwnArticle, Site } from "./library.ts";
import { type MemoryLibrary, memoryLibrary } from "./memory-library.ts";
import { type AuditResult, seoMonitor } from "./monitor.ts";
import { anArticle, GOOD, PARAGRAPHS, spoiled, URL_OF_PAGE } from "./sample-pages.ts";
import { type Served, sampleWeb } from "./sample-web.ts";

const OTHER = "https://other.example/page";
const second = anArticle({
  articleId: "00000000-0000-4000-8000-000000000009",
  ...{ slug: "radiators", title: "The radiators of an old house", keywords: ["radiator"] },
  summary: "What radiators are made of.",
  html: "<p>Radiators are made of iron.</p>",
});
const PARAMS = { link_delay_seconds: 0 };

function trial(
  options: { articles?: OwnArticle[]; pages?: Record<string, Served>; byTask?: Record<string, string> } = {},
) {
  const articles = options.articles ?? [anArticle(), second];
  const library = memoryLibrary(articles, { now: Date.now, byTask: options.byTask ?? {} });
  const web = sampleWeb(options.pages ?? {});
  const site: Site = {
    ...{ baseUrl: "https://site.example", isPublic: true },
    page: async (slug) =>
      articles.some((one) => one.slug === slug)
        ? { url: URL_OF_PAGE, status: 200, headers: {}, html: GOOD }
        : null,
  };
  return { library, web, site };
}

function built({ library, web, site }: ReturnType<typeof trial>, over: Partial<MemoryLibrary> = {}) {
  const offline = { gemini: false, openai: false };
  return seoMonitor({
    ...{ library: { ...library, ...over }, site, web: web.web, providers: offline },
    sdk: { log: () => {} },
  });
}

/** Audits what the payloads name, and gives the callback's items. */
async function audited(
  parts: ReturnType<typeof trial>,
  payloads: Record<string, unknown>[],
  params = PARAMS as Record<string, unknown>,
) {
  await using orchestrator = await playOrchestrator();
  const workflow = built(parts);
  const sent = await orchestrator.dispatch(workflow, {
    tasks: payloads.map((payload) => ({ payload })),
    params,
  });
  const callback = await sent.callback;
  await workflow.stop();
  const results = callback.items!.map(
    (item) => item.result_data as unknown as AuditResult & { audited: true },
  );
  return { callback, items: callback.items!, results, taskIds: sent.taskIds, metrics: callback.metrics };
}

test("an own article is audited as it is served, by slug, by id, by its address, or after the task that published it", async () => {
  const publishedBy = "00000000-0000-4000-8000-0000000000aa";
  const parts = trial({ byTask: { [publishedBy]: anArticle().articleId } });
  const source = {
    task_id: publishedBy,
    workflow_type: "content_pipeline",
    content_type: "how_to",
    execution_id: "x",
  };
  const { callback, results } = await audited(parts, [
    { slug: "heat-pumps" },
    { article_id: anArticle().articleId },
    { url: URL_OF_PAGE },
    { source, result_data: { slug: "heat-pumps", article_url: URL_OF_PAGE, quality: 80 } },
    { source, result_data: null },
  ]);
  assert.equal(callback.status, "completed", JSON.stringify(callback));
  const findings = [...parts.library.audits.values()].flatMap((audit) => audit.findings);
  assert.deepEqual(findings, []);
  for (const result of results) {
    assert.deepEqual(
      [result.audited, result.slug, result.score, result.requests],
      [true, "heat-pumps", 100, 0],
    );
  }
  assert.equal(parts.library.audits.size, 5);
  for (const audit of parts.library.audits.values()) assert.equal(audit.articleId, anArticle().articleId);
  assert.deepEqual(parts.web.asked, [], "nobody was asked for what is our own");
});

test("a page of the web is fetched politely, its links are checked, and it is compared with the own corpus", async () => {
  const html = spoiled(
    [/<link rel="canonical".*>/, `<link rel="canonical" href="${OTHER}">`],
    ["</article>", '<p>See <a href="https://dead.example/x">the study</a> of it.</p></article>'],
  );
  const pages: Record<string, Served> = {
    "https://other.example/old": { status: 301, headers: { location: "/page" } },
    [OTHER]: { text: html, headers: { "x-robots-tag": "noindex" } },
    "https://other.example/articles/radiators": {},
  };
  const parts = trial({ articles: [anArticle()], pages });
  const { results, metrics } = await audited(parts, [
    { url: "https://other.example/old", keywords: ["heat pump"] },
  ]);
  const [audit] = parts.library.audits.values();
  const rules = audit!.findings.map(({ rule }) => rule).sort();
  for (const rule of ["noindex", "redirects", "link_broken", "body_duplicate"])
    assert.ok(rules.includes(rule as never), rules.join());
  assert.equal(results[0]!.score, 40, "kept out of search results");
  assert.deepEqual([audit!.articleId, audit!.url, results[0]!.slug], [null, OTHER, null]);
  assert.ok(
    audit!.recommendations.every(({ changes }) => changes.length === 0),
    "only own articles are changed",
  );
  assert.deepEqual(metrics?.api_calls, { http: results[0]!.requests });
});

test("what search engines stumble over is an audit; what is no page, or may not be called, is refused", async () => {
  const to = (location: string): Served => ({ status: 302, headers: { location } });
  const pages: Record<string, Served> = {
    "https://a.example/loop": to("/pool"),
    "https://a.example/pool": to("/loop"),
    "https://b.example/robots.txt": { text: "User-agent: *\nDisallow: /" },
    "https://c.example/huge": { text: "x".repeat(20_000) },
    "https://d.example/file.pdf": { headers: { "content-type": "application/pdf" } },
    "https://e.example/": { fails: "refused" },
    "https://e.example/robots.txt": { fails: "refused" },
    "https://f.example/": { fails: "unreachable" },
  };
  const urls = [
    "a.example/loop",
    "a.example/gone",
    "b.example/x",
    "c.example/huge",
    "d.example/file.pdf",
    "e.example/",
    "f.example/",
  ];
  const parts = trial({ pages });
  const { callback, items, results } = await audited(
    parts,
    urls.map((url) => ({ url: `https://${url}` })),
    { ...PARAMS, max_page_kb: 10 },
  );
  assert.equal(callback.status, "partial");
  const rules = results.map((result) =>
    result
      ? [...parts.library.audits.values()].find((one) => one.url === result.url)?.findings[0]?.rule
      : null,
  );
  assert.deepEqual(rules.slice(0, 4), ["redirect_loop", "status", "robots_disallowed", "too_large"]);
  const failed = items.slice(4, 7).map(({ error_data }) => error_data!.retry_recommended);
  assert.deepEqual(failed, [false, false, true], "a host that is away may come back");
  assert.match(String(items[4]!.error_data!.message), /application\/pdf/);
});

test("a page that is built to be slow is refused at once, and takes nobody with it", async () => {
  const pages = {
    "https://g.example/deep": { text: `${"<div>".repeat(500_000)}deep` },
    "https://g.example/wide": { text: "<p>".repeat(500_000) },
  };
  const parts = trial({ pages });
  const { items } = await audited(parts, [
    ...Object.keys(pages).map((url) => ({ url })),
    { slug: "heat-pumps" },
  ]);
  for (const item of items.slice(0, 2)) {
    assert.match(String(item.error_data?.message), /cannot be read: .*(?:512|200000)/);
    assert.equal(item.error_data?.retry_recommended, false);
  }
  assert.equal(items[2]!.status, "completed");
});

test("the same task twice writes one audit, and a page is not fetched again by a later attempt", async () => {
  await using orchestrator = await playOrchestrator();
  const pages = { [OTHER]: { text: GOOD } };
  const parts = trial({ pages });
  let failures = 1;
  const workflow = built(parts, {
    save: async (audit) => {
      if (failures-- > 0) throw new Error("the database is away");
      return await parts.library.save(audit);
    },
  });
  const first = await orchestrator.dispatch(workflow, {
    tasks: [{ payload: { url: OTHER } }],
    params: PARAMS,
  });
  assert.equal((await first.callback).status, "failed");
  const gets = () => parts.web.asked.filter((line) => line === `GET ${OTHER}`).length;
  assert.equal(gets(), 1);
  const task = { task_id: first.taskIds[0]!, payload: { url: OTHER } };
  for (const attempt of [2, 3]) {
    const again = await orchestrator.dispatch(workflow, {
      executionId: first.executionId,
      attempt,
      tasks: [task],
      params: PARAMS,
    });
    assert.equal((await again.callback).status, "completed");
  }
  await workflow.stop();
  assert.equal(gets(), 1);
  assert.equal(parts.library.audits.size, 1);
});

test("a slot hands every article that is due on as a task of its own; without any there is nothing to do", async () => {
  const parts = trial();
  parts.library.dueIds.push(anArticle().articleId, second.articleId);
  const { items, results } = await audited(parts, [{ scheduled_for: "2026-03-02T10:00:00.000Z" }]);
  assert.equal(results[0]!.audited, false);
  assert.deepEqual(
    (items[0] as { next?: unknown }).next,
    [anArticle().articleId, second.articleId].map((article_id) => ({
      workflow_type: "seo_monitor",
      payload: { article_id },
    })),
  );
  const none = await audited(parts, [{ scope: "due" }]);
  assert.deepEqual(none.items[0]!.result_data, { audited: false, reason: "no article is due" });
});

test("articles are made comparable before the first audit, and duplicates are found among them", async () => {
  const copy = anArticle({
    articleId: second.articleId,
    slug: "copy",
    publishedAt: 0,
    title: "The same once more",
  });
  const parts = trial({ articles: [anArticle(), copy] });
  await audited(parts, [{ slug: "heat-pumps" }]);
  assert.equal(parts.library.prints.size, 2);
  const [audit] = parts.library.audits.values();
  const canonical = audit!.recommendations.find(({ rule }) => rule === "body_duplicate");
  assert.deepEqual(canonical?.changes, [{ field: "canonical_url", before: null, after: "/articles/copy" }]);
});

test("bad input is named, and costs its neighbours nothing", async () => {
  const parts = trial();
  const bad = [
    {},
    { slug: "" },
    { url: "ftp://x.example/" },
    { url: OTHER, slug: "x" },
    { article_id: "7" },
    { slug: "nobody" },
  ];
  const { callback, items } = await audited(parts, [...bad, { slug: "heat-pumps" }]);
  assert.equal(callback.status, "partial");
  for (const item of items.slice(0, -1))
    assert.equal(item.error_data?.retry_recommended, false, JSON.stringify(item));
  assert.equal(items.at(-1)!.status, "completed");
  const wrong = await audited(trial(), [{ slug: "heat-pumps" }], { max_link: 3 });
  assert.match(String(wrong.items[0]!.error_data!.message), /params/);
  assert.equal(wrong.items[0]!.error_data!.retry_recommended, false);
});

test("a task that published nothing has nothing to audit, and is no failure", async () => {
  const source = { task_id: "00000000-0000-4000-8000-0000000000bb" };
  const { items } = await audited(trial(), [{ source, result_data: { status: "review" } }]);
  assert.equal(items[0]!.status, "completed");
  assert.match(String((items[0]!.result_data as { reason?: string }).reason), /no article/);
});

test("what pages say is stored whatever characters they hold", async () => {
  const nasty = `${GOOD.replace(/<title>.*<\/title>/, "<title>\u0000 \ud800 broken</title>")}${PARAGRAPHS[0]}`;
  const parts = trial({ pages: { [OTHER]: { text: nasty } } });
  await audited(parts, [{ url: OTHER }]);
  const text = JSON.stringify([...parts.library.audits.values()]);
  assert.ok(!text.includes("\\u0000") && text.isWellFormed() && !/\\ud800/.test(text));
});

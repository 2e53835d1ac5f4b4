/** Owns the proof of the SEO monitor in the house: what is due is audited, what is approved is changed, what is regretted is taken back. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import {
  Audit,
  AuditList,
  RecommendationDecided,
  RecommendationList,
  RevisionList,
} from "@master-orchestrator/contract";
import { published } from "#test/audited.ts";
import { openTestHouse, type TestHouse } from "#test/house.ts";

const HOUR = 3_600_000;
const startMs = Date.UTC(2026, 2, 2, 9, 30);
const LONG =
  "How a heat pump keeps an old house warm: the physics, the price and the peace of the neighbours";
const ARTICLE = {
  ...{ title: LONG, summary: "Short.", keywords: ["heat pump"], author: "Asha Rao" },
  html: `<p>A heat pump moves warmth from the air outside into the rooms of a house, and it needs little power.</p>
<p>Old radiators are no obstacle.</p>`,
  markdown: `# ${LONG}\n\nA heat pump moves warmth.\n`,
};

async function audited(house: TestHouse, payload: Record<string, unknown>) {
  const [taskId] = await house.enqueue({ workflow_type: "seo_monitor", payload });
  await house.quiet();
  return await house.task(taskId!);
}

async function auditOf(house: TestHouse, task: { result_data: { audit_id: string } }): Promise<Audit> {
  const { body } = await house.api("GET", `/content/audits/${task.result_data.audit_id}`);
  return Audit.parse(body);
}

test("a slot audits every article that is due, each once; without any there is no run, with the reason", async (t) => {
  const house = await openTestHouse(t, { startMs });
  for (const slug of ["a", "b", "c"])
    await published(house.db, slug, { ...ARTICLE, title: `${slug}: ${LONG}` });
  await house.leap(HOUR / 2);
  const state = async () => (await house.api("GET", "/workflows/seo_monitor")).body.schedule_state;
  assert.deepEqual(
    [(await state()).last_decision, (await state()).cause],
    ["nothing_to_do", "no articles are due for an audit"],
  );
  await house.leap(2 * HOUR);
  assert.equal((await state()).cause, "its slot has begun: 3 of the articles that are due for an audit");
  const { body } = await house.api("GET", "/content/audits");
  assert.deepEqual(
    AuditList.parse(body)
      .audits.map(({ slug }) => slug)
      .sort(),
    ["a", "b", "c"],
  );
  const tasks = (await house.api("GET", "/tasks?workflow_type=seo_monitor")).body.tasks;
  assert.ok(
    tasks.every((task: { status: string }) => task.status === "completed"),
    JSON.stringify(tasks),
  );
  await house.leap(2 * HOUR);
  assert.equal((await state()).last_decision, "nothing_to_do");
  assert.equal((await house.api("GET", "/content/audits")).body.audits.length, 3);
});

test("an article that the pipeline publishes is audited next, as its page is served, with its parent", async (t) => {
  const house = await openTestHouse(t, { startMs, env: { PUBLIC_URL: "https://news.example" } });
  const next = [{ workflow_type: "seo_monitor" }];
  assert.equal((await house.api("PUT", "/workflows/content_pipeline", { next })).status, 200);
  const brief = "Heat pumps move warmth from the air into the house. They need less power than a boiler.";
  const payload = { title: "How heat pumps keep a house warm", brief, keywords: ["heat pump"] };
  const [id] = await house.enqueue({ workflow_type: "content_pipeline", payload });
  await house.quiet();
  const { follow_ups } = await house.task(id!);
  const followUp = await house.until("audited", async () => {
    const task = await house.task(follow_ups[0]);
    return task.status === "completed" && task;
  });
  assert.equal(followUp.parent_task_id, id);
  const audit = await auditOf(house, followUp);
  assert.deepEqual(
    [audit.slug, audit.url],
    ["how-heat-pumps-keep-a-house-warm", "https://news.example/articles/how-heat-pumps-keep-a-house-warm"],
  );
  assert.ok(!audit.findings.some(({ rule }) => rule.startsWith("canonical") || rule === "not_public"));
});

test("an approval changes the served page and keeps a revision; a rollback gives it back", async (t) => {
  const house = await openTestHouse(t, { startMs, env: { PUBLIC_URL: "https://news.example" } });
  await published(house.db, "pumps", ARTICLE);
  await published(house.db, "radiators", {
    ...ARTICLE,
    title: "The old radiators",
    keywords: ["old radiators", "heat pump"],
  });
  const first = await auditOf(house, await audited(house, { slug: "pumps" }));
  const listed = async (query = "") =>
    RecommendationList.parse((await house.api("GET", `/content/recommendations${query}`)).body)
      .recommendations;
  const open = await listed("?article=pumps&applicable=true");
  const rules = open.map(({ rule }) => rule);
  assert.ok(
    ["title_length", "description_length", "internal_links"].every((rule) => rules.includes(rule)),
    rules.join(),
  );
  assert.deepEqual(
    first.recommendations
      .filter(({ applicable }) => applicable)
      .map(({ recommendation_id }) => recommendation_id)
      .sort(),
    open.map(({ recommendation_id }) => recommendation_id).sort(),
  );

  const served = async () => await (await fetch(`${house.url}/articles/pumps`)).text();
  const decide = async (rule: string, verb: string) => {
    const id = first.recommendations.find((one) => one.rule === rule)!.recommendation_id;
    return await house.api("POST", `/content/recommendations/${id}/${verb}`);
  };
  const before = await served();
  for (const rule of ["title_length", "description_length", "internal_links"]) {
    const { status, body } = await decide(rule, "approve");
    assert.equal(status, 200, JSON.stringify(body));
    assert.equal(RecommendationDecided.parse(body).recommendation.status, "applied");
  }
  const after = await served();
  assert.match(after, /<title>How a heat pump keeps an old house warm<\/title>/);
  assert.match(after, /<meta name="description" content="Short\. A heat pump moves warmth/);
  assert.match(after, /<a href="\/articles\/radiators">Old radiators<\/a> are no obstacle/);

  const second = await auditOf(house, await audited(house, { slug: "pumps" }));
  assert.ok(second.score > first.score, `${first.score} → ${second.score}`);
  assert.equal(second.previous_score, first.score);
  for (const rule of ["title_length", "internal_links", "description_length"])
    assert.ok(!second.findings.some((one) => one.rule === rule), rule);
  const history = AuditList.parse((await house.api("GET", "/content/audits?article=pumps")).body);
  assert.deepEqual(
    [history.trend?.first_score, history.trend?.last_score, history.trend?.audits],
    [first.score, second.score, 2],
  );

  assert.equal((await decide("title_length", "approve")).body.code, "conflict");
  for (const rule of ["internal_links", "description_length", "title_length"])
    assert.equal((await decide(rule, "rollback")).status, 200);
  assert.equal(await served(), before);
  const { revisions } = RevisionList.parse((await house.api("GET", "/content/revisions?article=pumps")).body);
  assert.equal(revisions.length, 3);
  assert.ok(revisions.every(({ rolled_back_by }) => rolled_back_by !== null));
});

/** A site on this machine. */
async function site(t: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const FAST = {
  params: { link_delay_seconds: 0, link_timeout_seconds: 0.3, page_timeout_seconds: 3, max_page_kb: 50 },
};

test("a page of the web: its links are checked politely, with a loop, a silence, a ban and a private address among them", async (t) => {
  const house = await openTestHouse(t, { startMs });
  assert.equal((await house.api("PUT", "/workflows/seo_monitor", FAST)).status, 200);
  const asked: string[] = [];
  const links = [
    "/fine",
    "/gone",
    "/loop",
    "/slow",
    "/private/x",
    "http://10.1.2.3/",
    "http://169.254.169.254/latest/",
  ];
  const base = await site(t, (request, response) => {
    asked.push(`${request.method} ${request.url}`);
    const send = (status: number, headers = {}, body = "") => response.writeHead(status, headers).end(body);
    if (request.url === "/robots.txt") return send(200, {}, "User-agent: *\nDisallow: /private");
    if (request.url === "/page") {
      const anchors = links.map((href) => `<a href="${href}">a link to ${href}</a>`).join("\n");
      return send(
        200,
        { "content-type": "text/html" },
        `<html lang="en"><title>A page</title><p>${anchors}</p></html>`,
      );
    }
    if (request.url === "/old") return send(301, { location: "/page" });
    if (request.url === "/loop") return send(302, { location: "/loop2" });
    if (request.url === "/loop2") return send(302, { location: "/loop" });
    if (request.url === "/huge") return send(200, { "content-type": "text/html" }, "x".repeat(60_000));
    if (request.url === "/slow") return;
    return send(request.url === "/fine" ? 200 : 404);
  });
  const task = await audited(house, { url: `${base}/old` });
  assert.equal(task.status, "completed", JSON.stringify(task.errors));
  const audit = await auditOf(house, task);
  assert.equal(audit.url, `${base}/page`);
  const evidence = (rule: string) =>
    audit.findings.find((one) => one.rule === rule)?.evidence.links as { url: string }[];
  const path = ({ url }: { url: string }) => url.replace(base, "");
  assert.deepEqual(evidence("link_broken").map(path).sort(), ["/gone", "/loop"]);
  assert.deepEqual(evidence("links_unchecked").map(path).sort(), [
    "/private/x",
    "/slow",
    "http://10.1.2.3/",
    "http://169.254.169.254/latest/",
  ]);
  assert.ok(audit.findings.some(({ rule }) => rule === "redirects"));
  assert.ok(!asked.some((line) => line.includes("private")), asked.join("\n"));
  assert.equal(asked.filter((line) => line.endsWith("/robots.txt")).length, 1);

  const before = asked.length;
  await audited(house, { url: `${base}/page` });
  assert.deepEqual(
    asked.slice(before).filter((line) => /fine|gone|robots/.test(line)),
    [],
    "asked once a day",
  );

  const [loop, huge] = [
    await audited(house, { url: `${base}/loop` }),
    await audited(house, { url: `${base}/huge` }),
  ];
  assert.deepEqual(
    (await auditOf(house, loop)).findings.map(({ rule }) => rule),
    ["redirect_loop"],
  );
  assert.deepEqual(
    (await auditOf(house, huge)).findings.map(({ rule }) => rule),
    ["too_large"],
  );
  for (const url of ["http://10.1.2.3/", "http://[::ffff:169.254.169.254]/", "http://0xa9fea9fe/"]) {
    const refused = await audited(house, { url });
    assert.equal(refused.status, "dead_lettered", url);
    assert.match(refused.errors[0].message, /not allowed/);
  }
});

test("bad questions are refused with what to do; who may only look changes nothing", async (t) => {
  const house = await openTestHouse(t, { startMs });
  await published(house.db, "pumps", ARTICLE);
  const audit = await auditOf(house, await audited(house, { slug: "pumps" }));
  const nobody = "00000000-0000-4000-8000-000000000000";
  const answers: [method: string, path: string, status: number, code: string][] = [
    ["GET", "/content/audits?article=nobody", 404, "not_found"],
    ["GET", `/content/audits/${nobody}`, 404, "not_found"],
    ["GET", "/content/audits/7", 404, "not_found"],
    ["GET", "/content/audits?cursor=x", 422, "validation_failed"],
    ["GET", "/content/recommendations?status=done", 422, "validation_failed"],
    ["GET", "/content/recommendations?cursor=x", 422, "validation_failed"],
    ["GET", "/content/revisions", 422, "validation_failed"],
    ["POST", `/content/recommendations/${nobody}/approve`, 404, "not_found"],
    [
      "POST",
      `/content/recommendations/${audit.recommendations[0]!.recommendation_id}/rollback`,
      409,
      "conflict",
    ],
  ];
  for (const [method, path, status, code] of answers) {
    const { status: got, body } = await house.api(method, path);
    assert.deepEqual([got, body.code], [status, code], `${method} ${path}`);
    assert.ok(body.hint, path);
  }
  const { body } = await house.api("POST", "/api-keys", { name: "looker", role: "viewer" });
  const id = audit.recommendations[0]!.recommendation_id;
  const refused = await house.api("POST", `/content/recommendations/${id}/reject`, {}, body.key);
  assert.equal(refused.status, 403);
  const rejected = await house.api("POST", `/content/recommendations/${id}/reject`);
  assert.deepEqual(
    [rejected.status, rejected.body.recommendation.status, rejected.body.revision],
    [200, "rejected", null],
  );
  const pages = [];
  for (let cursor: string | null = ""; cursor !== null; ) {
    const page = await house.api(
      "GET",
      `/content/recommendations?limit=1${cursor ? `&cursor=${cursor}` : ""}`,
    );
    pages.push(...page.body.recommendations);
    cursor = page.body.next_cursor;
  }
  assert.equal(pages.length, audit.recommendations.length - 1);
  const sql = await house.api("GET", `/content/audits?url=${encodeURIComponent("' or 1=1 --")}`);
  assert.deepEqual([sql.status, sql.body.audits, sql.body.trend], [200, [], null]);
});

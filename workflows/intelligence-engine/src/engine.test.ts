/** What the engine promises as a workflow: steps done once, parts that fail keep no others, nothing invented, nothing unsafe. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { playOrchestrator } from "@master-orchestrator/sdk/testing";
import { addDays, lastPeriod } from "./days.ts";
import { intelligenceEngine } from "./engine.ts";
import { ParamsSchema } from "./input.ts";
import type { Library } from "./library.ts";
import { narratorOf } from "./narrative/narrator.ts";
import { composeReport } from "./report/compose.ts";
import { reportForms } from "./report/forms.ts";
import { sampleSite } from "./sample-site.ts";

const OFF = { gemini: false, openai: false };
const TODAY = "2026-11-23";
const HOSTILE = `</title><script>alert(1)</script>"'><img src=x onerror=alert(2)> [x](javascript:alert(3)) | \`a\``;

async function dispatch(
  library: Library,
  payload: Record<string, unknown>,
  again: { params?: Record<string, unknown> } = {},
) {
  await using orchestrator = await playOrchestrator();
  const workflow = intelligenceEngine({ library, providers: OFF, sdk: { log: () => {} } });
  const sent = await orchestrator.dispatch(workflow, { tasks: [{ payload }], ...again });
  const callback = await sent.callback;
  await workflow.stop();
  return callback.items![0]!;
}

/** A report's document without the analysis that takes its time. */
async function documentOf(library: Library, kind: "day" | "week" | "month" = "week") {
  const period = lastPeriod(kind, TODAY);
  const { targets } = ParamsSchema.parse({});
  return await composeReport(library, {
    ...{ period, to: period.to, generatedAt: `${TODAY}T06:00:00.000Z`, targets, analyses: [], limits: [] },
  });
}

test("a later attempt rolls nothing up and analyses nothing again, and makes no second report", async () => {
  await using orchestrator = await playOrchestrator();
  const library = sampleSite({ today: TODAY, days: 70 });
  library.stale.add("2026-11-20").add("2026-11-21");
  let failures = 1;
  let looks = 0;
  const flaky: Library = {
    ...library,
    readerDays: (query) => {
      looks++;
      return library.readerDays(query);
    },
    saveReport: async (report) => {
      if (failures-- > 0) throw new Error("the database is away");
      return await library.saveReport(report);
    },
  };
  const workflow = intelligenceEngine({ library: flaky, providers: OFF, sdk: { log: () => {} } });
  const params = { reports: ["week"] };
  const first = await orchestrator.dispatch(workflow, { tasks: [{ payload: {} }], params });
  const failed = (await first.callback).items![0]!;
  assert.match(failed.error_data!.message!, /the database is away/);
  const seen = looks;
  const second = await orchestrator.dispatch(workflow, {
    ...{ tasks: [{ task_id: first.taskIds[0]!, payload: {} }], params },
    ...{ attempt: 2, executionId: first.executionId },
  });
  const result = (await second.callback).items![0]!.result_data as {
    rolled_up: { days: string[] };
    reports: object[];
  };
  await workflow.stop();
  assert.deepEqual(result.rolled_up.days, ["2026-11-20", "2026-11-21"]);
  assert.deepEqual(library.rolledUp, ["2026-11-20", "2026-11-21"], "each once");
  assert.equal(looks, seen, "the days were read once");
  assert.equal(library.reports.size, 1);
  assert.equal(result.reports.length, 1);
});

test("a day that cannot be rolled up is named, and keeps no other from it; if none can, the attempt fails", async () => {
  const library = sampleSite({ today: TODAY, days: 20 });
  const broken: Library = {
    ...library,
    rollUpDay: async (day, options) => {
      if (day === "2026-11-11") throw new Error("statement timeout");
      return await library.rollUpDay(day, options);
    },
  };
  const item = await dispatch(broken, { rollup: { from: "2026-11-10", to: "2026-11-13" } });
  assert.deepEqual(item.result_data, {
    rolled_up: {
      days: ["2026-11-10", "2026-11-12"],
      unchanged: 0,
      failed: [{ day: "2026-11-11", error: "statement timeout" }],
    },
  });
  const none = await dispatch(broken, { rollup: { from: "2026-11-11", to: "2026-11-12" } });
  assert.equal(none.status, "failed");
  assert.notEqual(none.error_data!.retry_recommended, false);
});

test("params that are wrong are refused before anything is done", async () => {
  const library = sampleSite({ today: TODAY, days: 20 });
  library.stale.add("2026-11-20");
  const item = await dispatch(library, {}, { params: { reports: ["year"] } });
  assert.equal(item.status, "failed");
  assert.match(item.error_data!.message!, /params are wrong/);
  assert.deepEqual(library.rolledUp, []);
});

test("an investigation tells a fall of one channel from a fall of all, and a gap from a fall", async () => {
  const from = "2026-11-10";
  const library = sampleSite({ today: TODAY, days: 90, organic: { from, factor: 0.5 } });
  library.happened.push({
    at: `${from}T09:00:00.000Z`,
    kind: "policy",
    subject: "7",
    what: "→ active: budget halved",
  });
  const asked = { metric: "views", from, to: addDays(from, 5) };
  const fall = (await dispatch(library, { investigate: asked })).result_data as {
    finding: { headline: string; words: string[]; confidence: string };
  };
  assert.match(fall.finding.headline, /most of it from the channel Organic Search/);
  assert.equal(fall.finding.confidence, "high");
  assert.ok(
    fall.finding.words.some(
      (words) => words.includes("not necessarily because of it") && words.includes("budget halved"),
    ),
  );

  const calm = (
    await dispatch(library, { investigate: { metric: "views", from: "2026-10-20", to: "2026-10-22" } })
  ).result_data as typeof fall;
  assert.match(calm.finding.headline, /nothing unusual/);

  const gap = sampleSite({ today: TODAY, days: 90, missing: (day) => day >= from && day < addDays(from, 5) });
  const nothing = (await dispatch(gap, { investigate: asked })).result_data as typeof fall;
  assert.equal(nothing.finding.confidence, "low");
  assert.match(nothing.finding.headline, /^Nothing can be said/);
});

test("what users have written is shown in no form of a report as markup", async () => {
  const library = sampleSite({ today: TODAY, days: 40, titles: [HOSTILE, "Plain"] });
  for (const cell of library.cells) if (cell.channel === "Social") cell.channel = HOSTILE;
  const { html, markdown } = reportForms(await documentOf(library), "task");
  assert.ok(html.includes("&lt;script&gt;"), "the title is there, as text");
  const tags = html.match(/<[a-z][^>]*>/g)!;
  const unsafe = tags.filter((tag) => /^<(script|img|iframe|a)\b|\son\w+=|\sstyle=|javascript:/i.test(tag));
  assert.deepEqual(unsafe, []);
  assert.doesNotMatch(markdown, /<script|<img|[^\\]\[x\]\(/);
});

test("every chart has a title and a description, and a table of its numbers", async () => {
  const { html } = reportForms(await documentOf(sampleSite({ today: TODAY, days: 40 })), "task");
  const charts =
    html.match(/<svg class="chart"[^>]*>\s*<title[^>]*>[^<]+<\/title><desc[^>]*>[^<]+<\/desc>/g) ?? [];
  assert.equal(charts.length, html.match(/<svg/g)!.length);
  for (const [, ids] of html.matchAll(/aria-labelledby="([^"]+)"/g)) {
    for (const id of ids!.split(" ")) assert.ok(html.includes(`id="${id}"`), id);
  }
  assert.ok(charts.length >= 3 && (html.match(/<table/g) ?? []).length >= 4);
});

test("the targets are told as met, as missed, or as not to be measured", async () => {
  const library = sampleSite({ today: TODAY, days: 40 });
  const met = await documentOf(library);
  assert.deepEqual(
    met.production.targets.map(({ met }) => met),
    [true, true, true, true],
  );
  assert.match(met.headline, /every target met$/);
  for (const day of library.house) day.latencyP95Seconds = 400;
  const missed = await documentOf(library);
  assert.match(missed.headline, /1 of 4 targets missed$/);
  assert.match(
    missed.recommendations[0]!.because,
    /^Task to result \(p95\): 6\.7 min, the target is under 2 min$/,
  );
  library.house.length = 0;
  const none = await documentOf(library);
  assert.deepEqual([none.production.known, none.production.targets], [false, []]);
});

test("a period of which days are missing says so, and adds up the others", async () => {
  const library = sampleSite({ today: TODAY, days: 40, missing: (day) => day === "2026-11-18" });
  const { readers, limits } = await documentOf(library);
  assert.deepEqual([readers.known_days, readers.unknown_days], [6, ["2026-11-18"]]);
  assert.ok(
    limits.some((limit) => limit.startsWith("Nothing was imported for 1 of the period's days (2026-11-18)")),
  );
});

/** A provider that gives these answers, one after another. */
async function provider(t: TestContext, ...answers: (object | number)[]): Promise<string> {
  const server = createServer((request, response) => {
    request.resume().on("end", () => {
      const answer = answers.length > 1 ? answers.shift() : answers[0];
      const failed = typeof answer === "number";
      response.writeHead(failed ? answer : 200, { "content-type": "application/json" });
      const message = { role: "assistant", content: JSON.stringify(answer) };
      response.end(
        JSON.stringify(
          failed
            ? { error: { message: "no", type: "x", code: "budget_exhausted" } }
            : {
                ...{ id: "1", object: "chat.completion", created: 1, model: "m" },
                choices: [{ index: 0, message, finish_reason: "stop" }],
                usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
              },
        ),
      );
    });
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
}

test("a model may tell what was computed, and no number beside it; without one the words stand", async (t) => {
  const document = await documentOf(sampleSite({ today: TODAY, days: 40 }));
  const articles = document.production.articles.toLocaleString("en-US");
  const good = { headline: `A steady week: ${articles} articles`, summary: ["Every target was met."] };
  const bad = { headline: "Views will reach 999,999", summary: ["Every target was met."] };
  const openaiBaseUrl = await provider(t, good, bad, 402);
  const narrator = narratorOf({
    ...{ providers: { gemini: false, openai: true }, log: () => {} },
    gateway: { openaiBaseUrl, geminiBaseUrl: "", token: "moe_x", headers: () => ({}) },
  })!;
  const { signal } = new AbortController();
  const told = await narrator.tell(document, signal);
  assert.deepEqual(
    [told.headline, told.summary, told.told_by],
    [good.headline, good.summary, "openai/gpt-6-luna"],
  );
  const refused = await narrator.tell(document, signal);
  assert.deepEqual([refused.headline, refused.told_by], [document.headline, "deterministic"]);
  assert.match(refused.limits.at(-1)!, /stated 999999, which is not in the data/);
  const unasked = await narrator.tell(document, signal);
  assert.equal(unasked.headline, document.headline);
  assert.match(unasked.limits.at(-1)!, /could not be asked/);
  assert.equal(
    narratorOf({
      providers: OFF,
      gateway: { openaiBaseUrl, geminiBaseUrl: "", token: "", headers: () => ({}) },
      log: () => {},
    }),
    null,
  );
});

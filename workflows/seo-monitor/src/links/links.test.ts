import assert from "node:assert/strict";
import { test } from "node:test";
import { manualClock } from "@master-orchestrator/sdk/testing";
import { type MemoryLibrary, memoryLibrary } from "../memory-library.ts";
import type { PageLink } from "../page/facts.ts";
import { anArticle } from "../sample-pages.ts";
import { type SampleWeb, type Served, sampleWeb } from "../sample-web.ts";
import { SettingsSchema } from "../settings.ts";
import { checkLinks } from "./check.ts";
import { openCrawler } from "./crawler.ts";
import { openGates } from "./gates.ts";
import { type Robots, robotsOf } from "./robots.ts";

const BASE = "https://site.example";
const link = (url: string): PageLink => ({ url, text: "x", inText: true, internal: url.startsWith(BASE) });

interface Trial {
  pages?: Record<string, Served>;
  settings?: Record<string, unknown>;
  library?: MemoryLibrary;
  web?: SampleWeb;
  clock?: ReturnType<typeof manualClock>;
}

async function checked(
  urls: string[],
  { pages = {}, settings: given = {}, library = memoryLibrary([anArticle()]), ...rest }: Trial = {},
) {
  const { web = sampleWeb(pages), clock = manualClock() } = rest;
  const settings = SettingsSchema.parse({ link_delay_seconds: 0, ...given });
  const signal = new AbortController().signal;
  const crawler = openCrawler({
    ...{ web: web.web, library, gates: openGates(clock), clock, signal, robotsTimeoutMs: 1_000 },
    delayMs: settings.link_delay_seconds * 1000,
    cacheMs: 86_400_000,
  });
  const parts = { library, site: { baseUrl: BASE }, crawler, clock, settings, signal };
  const { checks, unchecked } = await checkLinks(urls.map(link), parts);
  const outcomes = Object.fromEntries(checks.map(({ url, outcome }) => [url, outcome]));
  return { checks, unchecked, outcomes, asked: web.asked, mostAtOnce: web.mostAtOnce(), library };
}

test("what an answer says about a link", async () => {
  const table: [what: string, served: Served, outcome: string][] = [
    ["there", {}, "ok"],
    ["gone", { status: 410 }, "broken"],
    ["forbidden", { status: 403 }, "restricted"],
    ["too many requests", { status: 429 }, "unknown"],
    ["a server in trouble", { status: 500 }, "unknown"],
    ["no HEAD, but GET", { HEAD: { status: 405 }, GET: {} }, "ok"],
    ["HEAD is refused, GET is not", { HEAD: { status: 404 }, GET: {} }, "ok"],
    ["HEAD breaks, GET does not", { HEAD: { fails: "broken" }, GET: {} }, "ok"],
    ["no such host", { fails: "unreachable" }, "broken"],
    ["silence", { fails: "timeout" }, "unknown"],
    ["a private address", { fails: "refused" }, "skipped"],
  ];
  for (const [what, served, outcome] of table) {
    const url = "https://other.example/a";
    const { outcomes } = await checked([url], { pages: { [url]: served } });
    assert.equal(outcomes[url], outcome, what);
  }
});

test("redirects are followed and counted; those that go round, or on and on, lead nowhere", async () => {
  const to = (location: string): Served => ({ status: 301, headers: { location } });
  const pages: Record<string, Served> = {
    "https://a.example/1": to("/2"),
    "https://a.example/2": to("https://b.example/3#part"),
    "https://b.example/3": {},
    "https://c.example/round": to("/about"),
    "https://c.example/about": to("/round"),
    ...Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`https://d.example/${i}`, to(`/${i + 1}`)])),
    "https://e.example/x": { status: 302 },
  };
  const urls = [
    "https://a.example/1",
    "https://c.example/round",
    "https://d.example/0",
    "https://e.example/x",
  ];
  const { checks, outcomes } = await checked(urls, { pages });
  const first = checks.find(({ url }) => url === urls[0])!;
  assert.deepEqual([first.outcome, first.redirects, first.finalUrl], ["ok", 2, "https://b.example/3"]);
  assert.deepEqual(
    urls.slice(1).map((url) => outcomes[url]),
    ["broken", "broken", "broken"],
  );
});

test("own articles are looked up, not called; the rest of the site is asked like any other", async () => {
  const urls = [`${BASE}/articles/heat-pumps`, `${BASE}/articles/gone`, `${BASE}/articles`, `${BASE}/about`];
  const { outcomes, asked } = await checked(urls, { pages: { [`${BASE}/about`]: {} } });
  assert.deepEqual(outcomes, { [urls[0]!]: "ok", [urls[1]!]: "broken", [urls[3]!]: "ok" });
  assert.deepEqual(asked, [`GET ${BASE}/robots.txt`, `HEAD ${BASE}/about`]);
});

test("robots.txt is obeyed and asked for once; what it forbids is not called", async () => {
  const pages: Record<string, Served> = {
    "https://a.example/robots.txt": { text: "User-agent: *\nDisallow: /private" },
    "https://a.example/open": {},
    "https://down.example/robots.txt": { status: 503 },
  };
  const urls = ["https://a.example/private/x", "https://a.example/open", "https://down.example/"];
  const { outcomes, asked, library } = await checked(urls, { pages });
  assert.deepEqual(
    urls.map((url) => outcomes[url]),
    ["skipped", "ok", "skipped"],
  );
  assert.ok(
    !asked.some((line) => line.includes("private") || line.endsWith("down.example/")),
    asked.join("\n"),
  );
  assert.deepEqual([...library.files.keys()], ["https://a.example"]);
  const later = await checked(["https://a.example/open"], {
    pages,
    library: { ...library, linkChecks: async () => [] },
  });
  assert.ok(!later.asked.includes("GET https://a.example/robots.txt"));
});

test("the same address is asked for once a day, whoever links to it", async () => {
  const pages = { "https://a.example/": {} };
  const { library } = await checked(["https://a.example/", "https://a.example/"], { pages });
  assert.equal(library.checks.size, 1);
  const again = await checked(["https://a.example/"], { pages, library });
  assert.deepEqual([again.outcomes, again.asked], [{ "https://a.example/": "ok" }, []]);
});

test("one request at a time to a host, with the pause that it asks for; other hosts go on meanwhile", async () => {
  const clock = manualClock();
  const pages: Record<string, Served> = {
    "https://a.example/robots.txt": { text: "User-agent: *\nCrawl-delay: 5" },
    ...Object.fromEntries([1, 2, 3].map((n) => [`https://a.example/${n}`, {}])),
    "https://b.example/": {},
  };
  const web = sampleWeb(pages, () => new Promise((resolve) => setImmediate(resolve)));
  const urls = [1, 2, 3].map((n) => `https://a.example/${n}`);
  const done = checked([...urls, "https://b.example/"], {
    pages,
    web,
    clock,
    settings: { link_delay_seconds: 1 },
  });
  const before = clock.elapsed();
  // After robots.txt each of the three waits for its own turn, and b.example a second after its robots.txt.
  for (let waits = 0; waits < 4; waits++) await clock.pass("politeness");
  const { outcomes, mostAtOnce } = await done;
  assert.deepEqual(Object.values(outcomes), ["ok", "ok", "ok", "ok"]);
  assert.equal(mostAtOnce, 1);
  assert.ok(clock.elapsed() - before >= 15_000, `${clock.elapsed() - before} ms`);
});

test("what has no time left, or is too much, is left out and counted", async () => {
  const urls = Array.from({ length: 5 }, (_, i) => `https://h${i}.example/`);
  const none = await checked(urls, { settings: { links_within_seconds: 0 } });
  assert.deepEqual([none.checks.length, none.unchecked], [0, 5]);
  const some = await checked(urls, { settings: { max_links: 2 }, pages: { [urls[0]!]: {} } });
  assert.deepEqual([some.checks.length, some.unchecked], [2, 3]);
  const off = await checked(urls, { settings: { check_external_links: false } });
  assert.deepEqual([off.asked, off.unchecked], [[], 5]);
});

// The examples of RFC 9309, section 5 ("Simple Example", "Longest Match").
test("robots.txt is read as RFC 9309 shows it", () => {
  const file = (text: string, status = 200): Robots =>
    robotsOf("https://a.example", { status, text, checkedAtMs: 0 });
  const may = (robots: Robots, path: string) => robots.allows(`https://a.example${path}`);
  const simple = file(
    "User-Agent: *\nDisallow: *.gif$\nDisallow: /example/\nAllow: /publications/\n\nUser-Agent: foobot\nDisallow:/\nAllow:/example/page.html\nAllow:/example/allowed.gif\n\nUser-Agent: quxbot\nDisallow: /",
  );
  assert.deepEqual(
    ["/a.gif", "/a.gif?x", "/example/page.html", "/publications/1", "/"].map((path) => may(simple, path)),
    [false, true, false, true, true],
  );
  const longest = file("User-Agent: *\nAllow: /example/page/\nDisallow: /example/page/disallowed.gif");
  assert.deepEqual(
    [may(longest, "/example/page/"), may(longest, "/example/page/disallowed.gif")],
    [true, false],
  );
  const named = file("User-agent: *\nDisallow:\n\nUser-agent: master-orchestrator\nDisallow: /");
  assert.equal(may(named, "/"), false);
  assert.deepEqual(
    [may(file("", 404), "/"), may(file("", 500), "/"), may(file("", 429), "/")],
    [true, false, false],
  );
  assert.equal(file("User-agent: *\nCrawl-delay: 9999").delaySeconds, 30);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { aTopic } from "../writing/sample-topics.ts";
import { mainTextOf } from "./extract.ts";
import { type FetchedPage, readSourcePages, withReadings } from "./read-sources.ts";

const never = new AbortController().signal;
const PARAGRAPH =
  "The Thames flows through southern England, London included, and it is long, wide and old. ".repeat(5);
const PAGE = `<!doctype html><html><head><title>River Thames</title><script>alert(1)</script></head>
<body><nav><ul><li><a href="/">Home</a></li></ul></nav><article><h1>River Thames</h1><p>${PARAGRAPH}</p>
<h2>Course</h2><p onclick="x()">${PARAGRAPH}</p><script>steal()</script></article><footer>© cookies</footer></body></html>`;
const html = (text: string): FetchedPage => ({ kind: "page", contentType: "text/html; charset=utf-8", text });

test("of a page its main text is read, without navigation and script", async () => {
  const topic = aTopic({
    sources: [{ url: "https://a.example/thames" }, { url: "https://a.example/no", text: "Given." }],
  });
  const asked: string[] = [];
  const readings = await readSourcePages(
    topic,
    async (url) => {
      asked.push(url);
      return html(PAGE);
    },
    never,
  );
  assert.deepEqual(asked, ["https://a.example/thames"], "a source that brings its text is not fetched");
  const [thames, given] = withReadings(topic, readings).sources;
  assert.equal(thames!.title, "River Thames");
  assert.match(thames!.text!, /## Course\n\nThe Thames flows/);
  assert.doesNotMatch(thames!.text!, /alert|steal|Home|<p/);
  assert.equal(given!.text, "Given.");
});

test("what cannot be read is named with the reason, and the topic goes on", async () => {
  const pages: Record<string, FetchedPage> = {
    "https://a.example/gone": { kind: "unread", why: "a.example answered HTTP 404" },
    "https://a.example/pdf": { kind: "page", contentType: "application/pdf", text: "%PDF" },
    "https://a.example/empty": html("<html><body><nav>Menu</nav></body></html>"),
    "https://a.example/plain": { kind: "page", contentType: "text/plain", text: " Plain words. " },
    "https://a.example/deep": html(`<body>${"<div>".repeat(300)}${PARAGRAPH}`),
  };
  const topic = aTopic({ sources: Object.keys(pages).map((url) => ({ url })) });
  const { sources } = withReadings(topic, await readSourcePages(topic, async (url) => pages[url]!, never));
  assert.deepEqual(
    sources.map(({ text, note }) => text ?? note),
    [
      "a.example answered HTTP 404",
      "it is application/pdf, not a page of text",
      "no text was found in the page",
      "Plain words.",
      "no text was found in the page",
    ],
  );
});

test("many long pages are cut to what a checkpoint holds", async () => {
  const sources = Array.from({ length: 8 }, (_, i) => ({ url: `https://a.example/${i}` }));
  const text = "x".repeat(60_000);
  const page: FetchedPage = { kind: "page", contentType: "text/plain", text };
  const readings = await readSourcePages(aTopic({ sources }), async () => page, never);
  assert.equal(
    readings.reduce((sum, reading) => sum + (reading.text?.length ?? 0), 0),
    150_000,
  );
  assert.equal(readings.at(-1)!.note, "the sources before it are long enough");
});

test("an empty, a broken and a hostile page give nothing", () => {
  for (const page of ["", "nothing", "<p>short", "<p>x".repeat(9_000), "<".repeat(10_000)]) {
    assert.equal(mainTextOf(page), null);
  }
});

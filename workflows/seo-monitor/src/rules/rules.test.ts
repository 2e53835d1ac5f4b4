import assert from "node:assert/strict";
import { test } from "node:test";
import { checkPage, checkUnread } from "../check.ts";
import type { LinkCheck } from "../links/verdict.ts";
import {
  aNeighbour,
  anArticle,
  aSubject,
  GOOD,
  NOW,
  PARAGRAPHS,
  type SubjectChanges,
  spoiled,
  URL_OF_PAGE,
} from "../sample-pages.ts";
import { RULES, type RuleId } from "./catalog.ts";

const DAY_MS = 86_400_000;
const link = (outcome: LinkCheck["outcome"], changes: Partial<LinkCheck> = {}): LinkCheck => ({
  ...{
    url: "https://other.example/a",
    outcome,
    status: 200,
    redirects: 0,
    finalUrl: "https://other.example/a",
  },
  ...{ detail: "", checkedAtMs: NOW },
  ...changes,
});
const json = (from: string, to: string): [string, string] => [from, to];
const text = PARAGRAPHS.join("\n").replace(/<[^>]+>/g, "");
const hard = Array.from(
  { length: 12 },
  () =>
    "<p>Notwithstanding considerable institutional heterogeneity, contemporary decarbonisation methodologies necessitate interdisciplinary experimentation, organisational transformation and unprecedented infrastructural investment throughout metropolitan administrations, irrespective of constitutional particularities.</p>",
).join("\n");
const stuffed = `<p>${"The heat pump is a heat pump and a heat pump it will be. ".repeat(40)}</p>`;
const own = (changes: SubjectChanges = {}): SubjectChanges => ({ article: anArticle(), ...changes });

/** Each rule: what breaks it. What is beside it keeps it (the good page breaks none). */
const BREACHES: [rule: RuleId, what: string, changes: SubjectChanges][] = [
  [
    "noindex",
    "a meta",
    { html: spoiled(["</title>", '</title><meta name="robots" content="NOINDEX, follow">']) },
  ],
  ["noindex", "none in the header", { fetched: { robotsHeader: "none" } }],
  ["redirects", "one redirect", { fetched: { redirects: ["https://site.example/old"] } }],
  ["canonical_missing", "no link", { html: spoiled([/<link rel="canonical".*>/, ""]) }],
  [
    "canonical_invalid",
    "a path",
    { html: spoiled([/rel="canonical" href="[^"]+"/, 'rel="canonical" href="/articles/heat-pumps"']) },
  ],
  [
    "canonical_invalid",
    "two of them",
    { html: spoiled(["</title>", '</title><link rel="canonical" href="https://site.example/x">']) },
  ],
  [
    "canonical_elsewhere",
    "another page",
    { html: spoiled([/rel="canonical" href="[^"]+"/, 'rel="canonical" href="https://site.example/x"']) },
  ],
  ["not_https", "http", { fetched: { url: "http://site.example/articles/heat-pumps" } }],
  ["page_size", "a megabyte", { fetched: { bytes: 1_000_000 } }],
  ["not_public", "an own article without PUBLIC_URL", own({ isPublic: false, targets: [] })],
  ["title_missing", "an empty title", { html: spoiled([/<title>.*<\/title>/, "<title> </title>"]) }],
  ["title_multiple", "two titles", { html: spoiled(["</title>", "</title><title>And another one</title>"]) }],
  ["title_length", "short", { html: spoiled([/<title>.*<\/title>/, "<title>Heat pump</title>"]) }],
  [
    "title_length",
    "long",
    { html: spoiled(["</title>", ", what it costs to run it, and who should have one</title>"]) },
  ],
  ["description_missing", "none", { html: spoiled([/<meta name="description".*>/, ""]) }],
  [
    "description_length",
    "short",
    { html: spoiled([/name="description" content="[^"]+"/, 'name="description" content="A heat pump."']) },
  ],
  ["language_missing", "none", { html: spoiled([' lang="en"', ""]) }],
  ["language_missing", "no tag", { html: spoiled(['lang="en"', 'lang="english (UK)"']) }],
  ["viewport_missing", "none", { html: spoiled([/<meta name="viewport".*>/, ""]) }],
  ["open_graph", "no og:url", { html: spoiled([/<meta property="og:url".*>/, ""]) }],
  ["h1_missing", "only h2", { html: spoiled([/<h1>(.*)<\/h1>/, "<p>How a heat pump works</p>"]) }],
  [
    "h1_multiple",
    "two",
    { html: spoiled(['<h2 id="cost">What it costs</h2>', "<h1>A heat pump's cost</h1>"]) },
  ],
  [
    "heading_order",
    "h2 → h4",
    { html: spoiled(['<h2 id="ready">Is the house ready?</h2>', "<h4>Is the house ready?</h4>"]) },
  ],
  ["heading_empty", "an empty one", { html: spoiled(["What it costs</h2>", "</h2>"]) }],
  [
    "headings_few",
    "none below the first",
    {
      html: spoiled(
        [/<h2.*?<\/h2>/, ""],
        [/<h2.*?<\/h2>/, ""],
        [/<h2.*?<\/h2>/, ""],
        ["</article>", `<p>${text}</p></article>`],
      ),
    },
  ],
  ["image_alt", "no alt", { html: spoiled([' alt="A heat pump beside a brick house"', ""]) }],
  ["keyword_title", "another subject", { keywords: ["district heating"] }],
  [
    "keyword_h1",
    "another heading",
    { html: spoiled([/<h1>.*<\/h1>/, "<h1>How to keep an old house warm</h1>"]) },
  ],
  [
    "keyword_intro",
    "a late mention",
    {
      html: spoiled([PARAGRAPHS[0]!, PARAGRAPHS[3]!], ["</article>", "<p>A heat pump it is.</p></article>"]),
    },
  ],
  [
    "keyword_description",
    "not named",
    {
      html: spoiled([
        /name="description" content="[^"]+"/,
        'name="description" content="Warmth out of the cold air: how it works, what it costs, and which houses are ready for it."',
      ]),
    },
  ],
  ["keyword_density", "never in the text", { keywords: ["geothermal probe"] }],
  ["keyword_stuffing", "in every line", { html: spoiled(["</article>", `${stuffed}</article>`]) }],
  ["keywords_none", "none known", { keywords: [] }],
  [
    "internal_links",
    "none in the text",
    { html: spoiled([/<a href="\/articles\/radiators">(.*?)<\/a>/, "radiators"]) },
  ],
  ["link_broken", "a 404", { checks: [link("broken", { status: 404 })] }],
  [
    "link_redirected",
    "a move",
    { checks: [link("ok", { redirects: 1, finalUrl: "https://other.example/b" })] },
  ],
  ["link_text", "click here", { html: spoiled(["radiators of an old house</a>", "click here</a>"]) }],
  [
    "fragment_dead",
    "no such place",
    {
      html: spoiled([
        '<a href="/articles/radiators">',
        '<a href="#costs">cost</a> <a href="/articles/radiators">',
      ]),
    },
  ],
  ["links_unchecked", "no time", { unchecked: 3 }],
  ["json_ld_missing", "none", { html: spoiled([/<script.*<\/script>/, ""]) }],
  [
    "json_ld_invalid",
    "a comma too many",
    { html: spoiled(json('"@type":"Article",', '"@type":"Article",,')) },
  ],
  ["json_ld_invalid", "a date in words", { html: spoiled(json("2026-02-20T08:00:00Z", "last week")) }],
  [
    "json_ld_required",
    "an author without a name",
    { html: spoiled(json('"name":"Asha Rao"', '"jobTitle":"Editor"')) },
  ],
  ["json_ld_required", "no date", { html: spoiled(json('"datePublished":"2026-02-01T08:00:00Z",', "")) }],
  [
    "json_ld_recommended",
    "no image",
    { html: spoiled(json('"image":"https://site.example/pump.jpg",', "")) },
  ],
  [
    "json_ld_differs",
    "another headline",
    { html: spoiled(json('"headline":"How a heat pump keeps an old house warm"', '"headline":"Ten facts"')) },
  ],
  [
    "json_ld_differs",
    "another address",
    { html: spoiled(json(`"url":"${URL_OF_PAGE}"`, '"url":"https://site.example/x"')) },
  ],
  [
    "thin_content",
    "two lines",
    {
      html: spoiled(
        [PARAGRAPHS[1]!, 'See <a href="/articles/radiators">radiators</a>.'],
        [PARAGRAPHS[2]!, ""],
        [PARAGRAPHS[3]!, ""],
      ),
    },
  ],
  [
    "thin_content",
    "a type that wants more",
    { contentType: "guide", settings: { min_words: { guide: 1500 } } },
  ],
  ["readability", "a minister's prose", { html: spoiled([PARAGRAPHS[2]!, hard], [PARAGRAPHS[3]!, hard]) }],
  [
    "long_paragraphs",
    "all in one",
    { html: spoiled([PARAGRAPHS[2]!, `${PARAGRAPHS[2]} ${PARAGRAPHS[3]} ${PARAGRAPHS[0]}`]) },
  ],
  ["stale", "two years old", { updatedAtMs: NOW - 730 * DAY_MS }],
  [
    "stale",
    "news of the spring",
    { contentType: "news", updatedAtMs: NOW - 120 * DAY_MS, settings: { min_words: { news: 100 } } },
  ],
  ["date_missing", "no date", { publishedAtMs: null, updatedAtMs: null }],
  [
    "title_duplicate",
    "the same title",
    { neighbours: [aNeighbour({ title: "How a heat pump keeps an OLD house warm!" })] },
  ],
  [
    "description_duplicate",
    "the same description",
    { neighbours: [aNeighbour({ description: /description" content="([^"]+)/.exec(GOOD)![1]! })] },
  ],
  ["body_duplicate", "the same text", { neighbours: [aNeighbour({ text })] }],
  ["cannibalisation", "the same main keyword", { neighbours: [aNeighbour({ keywords: ["Heat pumps"] })] }],
  [
    "cannibalisation",
    "much the same keywords",
    {
      keywords: ["heat pump", "old house", "boiler"],
      neighbours: [aNeighbour({ keywords: ["boilers", "old houses", "heat pump"] })],
    },
  ],
];
const OBSTACLES: RuleId[] = ["status", "robots_disallowed", "redirect_loop", "too_large"];

test("a good page breaks no rule, and has the full score in every part", () => {
  const { score, parts, findings } = checkPage(aSubject());
  assert.deepEqual(findings, []);
  assert.equal(score, 100);
  assert.ok(Object.values(parts).every((part) => part === 100));
});

for (const [rule, what, changes] of BREACHES) {
  test(`${rule} is noticed: ${what}`, () => {
    const { findings, score } = checkPage(aSubject(changes));
    const finding = findings.find((one) => one.rule === rule);
    assert.ok(finding, `found only ${findings.map((one) => one.rule).join(", ")}`);
    assert.equal(finding.part, RULES[rule].part);
    if (finding.severity === "info") assert.equal(finding.penalty, 0);
    else assert.ok(score < 100);
    if (finding.severity === "critical") assert.ok(score <= 40);
  });
}

test("every rule is in the table", () => {
  const shown = new Set<string>([...BREACHES.map(([rule]) => rule), ...OBSTACLES]);
  assert.deepEqual(
    Object.keys(RULES).filter((rule) => !shown.has(rule)),
    [],
  );
});

test("a page that cannot be read is judged by that alone", () => {
  for (const obstacle of OBSTACLES) {
    const { fetched } = aSubject({
      fetched: {
        obstacle: obstacle as "status",
        status: 404,
        facts: null,
        redirects: ["https://a.example/"],
      },
    });
    const { findings, score, parts } = checkUnread(fetched);
    assert.deepEqual(
      findings.map(({ rule }) => rule),
      [obstacle],
    );
    assert.equal(score, 0);
    assert.deepEqual(
      Object.values(parts).filter((part) => part !== null),
      [0],
    );
  }
});

test("what could be mistaken for a breach is none", () => {
  const kept: [string, SubjectChanges][] = [
    [
      "a slash at the end of the canonical address",
      { html: spoiled([/rel="canonical" href="[^"]+"/, `rel="canonical" href="${URL_OF_PAGE}/"`]) },
    ],
    ["a decorative image", { html: spoiled([/ alt="[^"]+"/, ' alt=""']) }],
    ["the site's name behind the title", { html: spoiled(["</title>", " | The Site</title>"]) }],
    [
      "a title within a drawing",
      { html: spoiled(["</article>", "<svg><title>Pump</title></svg></article>"]) },
    ],
    [
      "a graph of nodes",
      {
        html: spoiled(
          json('{"@context":"https://schema.org",', '{"@context":"https://schema.org","@graph":[{'),
          json("}</script>", "}]}</script>"),
        ),
      },
    ],
    ["a keyword in another form", { keywords: ["Heat Pumps"] }],
    [
      "a link to the top",
      {
        html: spoiled([
          '<a href="/articles/radiators">',
          '<a href="#top">up</a> <a href="/articles/radiators">',
        ]),
      },
    ],
    ["a link that is only restricted", { checks: [link("restricted", { status: 403 })] }],
    [
      "the same keyword in another language",
      { neighbours: [aNeighbour({ keywords: ["heat pump"], language: "de" })] },
    ],
    [
      "an own article without any relative",
      own({ html: spoiled([/<a href="\/articles\/radiators">(.*?)<\/a>/, "radiators"]) }),
    ],
  ];
  for (const [what, changes] of kept) {
    assert.deepEqual(
      checkPage(aSubject(changes)).findings.map(({ rule }) => rule),
      [],
      what,
    );
  }
});

test("an article that names another one as canonical competes with nobody", () => {
  const article = anArticle({ canonicalUrl: "/articles/another" });
  const { findings } = checkPage(
    aSubject({ article, neighbours: [aNeighbour({ text, keywords: ["heat pump"] })] }),
  );
  assert.ok(findings.every(({ part }) => part !== "uniqueness"));
});

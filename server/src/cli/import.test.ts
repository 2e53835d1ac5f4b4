/** What `orchestrator import` promises: exports as analytics write them go in once, bad lines are named, nothing is lost unseen. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { command, deadUrl, type StubRequest, startStub } from "./stub-api.ts";

const example = (name: string) => readFileSync(new URL(`../../../examples/${name}`, import.meta.url), "utf8");

const takesAll = ({ path, body }: StubRequest) => ({
  body: { added: (body[path.split("/").at(-1)!] as unknown[]).length, replaced: 0, unchanged: 0 },
});

const rowsOf = (request: StubRequest | undefined, kind: string) =>
  (request?.body[kind] ?? []) as { id: string; [field: string]: unknown }[];

test("an export of Google Analytics goes in as it is: its remarks, dates, thousands and total are understood", async (t) => {
  const stub = await startStub(t, takesAll);
  const files = { "ga4.csv": example("ga4.csv") };
  const args = ["import", "events", "ga4.csv", "--source", "ga4", "--by", "Device category"];
  const outcome = await command(t, stub.url, args, { files });
  assert.deepEqual([outcome.code, outcome.stdout], [0, "6 added, 0 replaced, 0 unchanged, 0 bad lines\n"]);
  assert.match(outcome.stderr, /line 14: no date and no page, taken for a total/);
  const [request] = stub.requests;
  assert.deepEqual([request?.path, request?.body.source], ["/api/v1/content/events", "ga4"]);
  const rows = rowsOf(request, "events");
  const { id, ...last } = rows.at(-1)!;
  assert.match(id, /^row-[\w-]{32}$/);
  assert.deepEqual(last, {
    ...{ at: "2026-11-03", page: "/articles/how-tides-work", channel: "Organic Search", kind: "page_view" },
    ...{ events: 1024, visitors: 811 },
  });
  assert.equal(new Set(rows.map((row) => row.id)).size, 6);
});

test("rows that nothing but their numbers tells apart are named, since one of them would be lost", async (t) => {
  const stub = await startStub(t, takesAll);
  const outcome = await command(t, stub.url, ["import", "events", "ga4.csv"], {
    files: { "ga4.csv": example("ga4.csv") },
  });
  assert.equal(outcome.code, 1);
  assert.match(
    outcome.stderr,
    /line 9: only its numbers differ from line 8; name what tells them apart with --by COLUMN/,
  );
  assert.equal(outcome.stdout, "4 added, 0 replaced, 0 unchanged, 2 bad lines\n");
});

test("a corrected export has the same ids with other numbers", async (t) => {
  const stub = await startStub(t, takesAll);
  const files = {
    "a.csv": "date,page,views\n20261101,/tea,10\n",
    "b.csv": "date,page,views\n20261101,/tea,12\n",
  };
  await command(t, stub.url, ["import", "events", "a.csv"], { files });
  await command(t, stub.url, ["import", "events", "b.csv"], { files });
  const [a, b] = stub.requests.map((request) => rowsOf(request, "events")[0]);
  assert.deepEqual([a?.id === b?.id, a?.events, b?.events], [true, 10, 12]);
});

test("a shop's orders are revenue: money as it is written there, refunds below zero, other currencies refused", async (t) => {
  const stub = await startStub(t, takesAll);
  const csv = `${example("revenue.csv").trimEnd()}\nA-1003,2026-11-04,/tea,Email,Tea,9.00,EUR\nA-1004,2026-11-04,/tea,Email,Tea,"9,00",USD\n`;
  const outcome = await command(t, stub.url, ["import", "revenue", "r.csv"], { files: { "r.csv": csv } });
  assert.equal(outcome.code, 1);
  assert.match(outcome.stderr, /line 5: EUR: amounts have to be US dollars; convert them before/);
  assert.match(outcome.stderr, /line 6: amount: "9,00" is no number/);
  const rows = rowsOf(stub.requests[0], "revenue");
  assert.deepEqual(
    rows.map((row) => [row.id, row.amount_usd, row.offer]),
    [
      ["A-1001", 12.9, "Tide calendar"],
      ["A-1002", 12.9, "Tide calendar"],
      ["A-1002-R", -12.9, "Tide calendar"],
    ],
  );
});

test("JSON has the API's own names, and a wrong one is named with its line", async (t) => {
  const stub = await startStub(t, takesAll);
  const file = [
    '{"at": "2026-11-01T10:00:00Z", "kind": "newsletter", "visitor": "v1"}',
    '{"at": "2026-11-01T10:00:00Z", "offerr": "x"}',
    '{"at": "yesterday"}',
  ].join("\n");
  const outcome = await command(t, stub.url, ["import", "conversions", "c.ndjson"], {
    files: { "c.ndjson": file },
  });
  assert.equal(outcome.code, 1);
  assert.match(outcome.stderr, /line 2: .*offerr/);
  assert.match(outcome.stderr, /line 3: at: /);
  assert.equal(rowsOf(stub.requests[0], "conversions").length, 1);
});

test("a file whose columns nobody knows is refused as a whole, with the way to name them", async (t) => {
  const stub = await startStub(t, takesAll);
  const files = { "x.csv": "Tag,Seite,Aufrufe\n2026-11-01,/tea,7\n" };
  const refused = await command(t, stub.url, ["import", "events", "x.csv"], { files });
  assert.deepEqual([refused.code, stub.requests.length], [2, 0]);
  assert.match(refused.stderr, /no column is known as at and none as page/);
  assert.match(refused.stderr, /--map at="…"; the file has: Tag, Seite, Aufrufe/);
  const mapped = ["--map", "at=Tag", "--map", "page=Seite", "--map", "events=Aufrufe"];
  const outcome = await command(t, stub.url, ["import", "events", "x.csv", ...mapped], { files });
  assert.deepEqual([outcome.code, rowsOf(stub.requests[0], "events")[0]?.events], [0, 7]);
});

test("wrong words are named: the kind of import, the field of --map, the column of --by", async (t) => {
  const url = await deadUrl();
  const files = { "x.csv": "date,page\n2026-11-01,/tea\n" };
  for (const [args, message] of [
    [["import", "event", "x.csv"], /did you mean "events"/],
    [["import", "events", "x.csv", "--map", "pages=page"], /fields of events: at, page, channel/],
    [["import", "events", "x.csv", "--by", "Device"], /there is no column "Device"/],
  ] as const) {
    const outcome = await command(t, url, [...args], { files });
    assert.equal(outcome.code, 2);
    assert.match(outcome.stderr, message);
  }
});

/** Targets by their names, and what of their addresses may be shown. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { addressOf, isMasked, maskedUrl, targetsOf } from "./target.ts";

describe("the targets of a workflow", () => {
  const a = "https://a.example.org/webhook/x";
  const b = "https://b.example.org/webhook/x";
  const cases: [string, Parameters<typeof targetsOf>[0], [name: string, weight: number][]][] = [
    ["one address", { webhook_url: a }, [[a, 1]]],
    [
      "a list",
      { targets: [{ webhook_url: a, weight: 3 }, { webhook_url: b }] },
      [
        [a, 3],
        [b, 1],
      ],
    ],
    [
      "both: the address is one of them, with weight 1",
      { webhook_url: a, targets: [{ webhook_url: b, weight: 2 }] },
      [
        [a, 1],
        [b, 2],
      ],
    ],
    [
      "both, and the address is listed",
      { webhook_url: a, targets: [{ webhook_url: a, weight: 2, name: "n8n-1" }] },
      [["n8n-1", 2]],
    ],
    [
      "of one name, as stored before names had to differ",
      { targets: [{ webhook_url: `${a}?key=1` }, { webhook_url: `${a}?key=2` }] },
      [[a, 1]],
    ],
    ["none", {}, []],
  ];
  for (const [what, settings, expected] of cases) {
    it(what, () => {
      assert.deepEqual(
        targetsOf(settings).map(({ name, weight }) => [name, weight]),
        expected,
      );
    });
  }

  it("are draining by word or by a weight of 0", () => {
    const targets = [
      { webhook_url: a, weight: 0 },
      { webhook_url: b, draining: true },
    ];
    assert.deepEqual(
      targetsOf({ targets }).map(({ draining }) => draining),
      [true, true],
    );
  });
});

describe("an address", () => {
  const cases: [url: string, name: string, shown: string][] = [
    [
      "https://n8n.example.org/webhook/x",
      "https://n8n.example.org/webhook/x",
      "https://n8n.example.org/webhook/x",
    ],
    ["https://h/x?key=s3cret&mode=fast", "https://h/x", "https://h/x?key=****&mode=****"],
    ["https://h/x?s3cret", "https://h/x", "https://h/x?****"],
    ["https://user:s3cret@h:8443/x?key=a=b#s3cret", "https://h:8443/x", "https://h:8443/x?key=****"],
    ["https://h/x#s3cret", "https://h/x", "https://h/x"],
    ["https://h/a@b", "https://h/a@b", "https://h/a@b"],
  ];
  for (const [url, name, shown] of cases) {
    it(`shows nothing secret: ${shown}`, () => {
      assert.deepEqual([addressOf(url), maskedUrl(url)], [name, shown]);
      assert.equal(isMasked(url), false);
      assert.equal(isMasked(shown), shown.includes("****"));
    });
  }
});

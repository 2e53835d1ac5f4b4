/** Which errors are the same error, in tables. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fingerprintOf, messagePattern } from "./fingerprint.ts";

const of = (message: string, stackTrace: string | null = null, code = "failed") =>
  fingerprintOf({ code, message, stackTrace });

describe("a message's pattern", () => {
  const patterns: [message: string, pattern: string][] = [
    ["Timeout after 30000 ms", "timeout after <n> ms"],
    ["took 1.5s, 1,234 rows, -3 left, 12%", "took <n>s, <n> rows, <n> left, <n>%"],
    ["task 0198c1f2-7c3a-7bbb-8aaa-0123456789ab is gone", "task <id> is gone"],
    ["no such key: sk_live_4eC39HqLyjWDarjt", "no such key: <id>"],
    ["commit 9fceb02d0ae598e95dc970b74767f19372d6 at 0x7ffe12", "commit <hex> at <hex>"],
    ['unexpected token "}" in JSON at position 17', "unexpected token <value> in json at position <n>"],
    ["can't find 'news/42' and won't look", "can't find <value> and won't look"],
    ["column `a b` of “x” is bad", "column <value> of <value> is bad"],
    ["ENOENT: no such file, open '/data/a/1.json'", "enoent: no such file, open <value>"],
    ["cannot read /var/lib/app/17/x.json now", "cannot read <path> now"],
    ["cannot read C:\\Users\\bob\\x.json now", "cannot read <path> now"],
    ["GET https://api.example.com/v1/items/99?x=1 failed", "get <url> failed"],
    ["at 2026-11-23T04:05:06.789Z it broke", "at <time> it broke"],
    ["since 2026-11-23, 04:05:06", "since <time>, <time>"],
    ["mail to bob@example.com bounced", "mail to <email> bounced"],
    ["connect ECONNREFUSED 10.0.0.7:5432", "connect econnrefused <n>:<n>"],
    ["HTTP 503: upstream 12 is down", "http 503: upstream <n> is down"],
    ["Request failed with status code 401", "request failed with status code 401"],
    ["  many\n\t blanks ", "many blanks"],
    ["and/or nothing", "and/or nothing"],
    ["", ""],
  ];
  for (const [message, pattern] of patterns) {
    it(`of ${JSON.stringify(message)}`, () => assert.equal(messagePattern(message), pattern));
  }
});

describe("a fingerprint", () => {
  it("is the same in every release", () => {
    assert.equal(of("Timeout after 30000 ms"), "010259bd93420d37");
    assert.match(of("x"), /^[0-9a-f]{16}$/);
  });

  it("is one for what differs in its variable parts alone", () => {
    assert.equal(of("no article 17 in /tmp/a/b"), of("no article 42042 in /tmp/z/y/x"));
  });

  it("differs by what the message says, by its code, and by an HTTP status", () => {
    const all = [
      of("no article 1"),
      of("no topic 1"),
      of("no article 1", null, "timed_out"),
      of("HTTP 401"),
      of("HTTP 500"),
    ];
    assert.equal(new Set(all).size, all.length);
  });

  const javascript = (line: number, top = "writeDraft", folder = "/app") =>
    `Error: boom ${line}\n    at ${top} (${folder}/src/draft.ts:${line}:7)\n    at async run (file://${folder}/src/run.ts:3:${line})\n    at ${folder}/src/main.ts:1:1\n    at process.nextTick (node:internal:1:${line})`;
  const python = (line: number, innermost: string) =>
    `Traceback (most recent call last):\n  File "/srv/main.py", line ${line}, in <module>\n    main()\n  File "/srv/work.py", line ${line + 2}, in ${innermost}\n    raise ValueError(${line})\nValueError: boom`;
  const java = (line: number) =>
    `java.lang.IllegalStateException: x\n\tat com.acme.Writer.write(Writer.java:${line})`;

  it("does not change with line numbers and folders of a stack trace", () => {
    assert.equal(of("boom", javascript(7)), of("boom", javascript(99, "writeDraft", "/home/bob/app")));
    assert.equal(of("boom", python(7, "write")), of("boom", python(70, "write")));
    assert.equal(of("boom", java(1)), of("boom", java(2)));
  });

  it("changes with the place that threw", () => {
    assert.notEqual(of("boom", javascript(7)), of("boom", javascript(7, "writeOutline")));
    assert.notEqual(of("boom", python(7, "write")), of("boom", python(7, "read")));
    assert.notEqual(of("boom", java(1)), of("boom"));
  });

  it("takes no more than the top of a stack: who called does not matter", () => {
    assert.equal(of("boom", javascript(7)), of("boom", `${javascript(7)}\n    at other (x.ts:1:1)`));
  });

  it("of a stack that is no stack is that of the message", () => {
    assert.equal(of("boom", "see the log of run 4711"), of("boom"));
  });

  it("of a hostile message comes at once", () => {
    for (const hostile of [
      "'".repeat(200_000),
      "/a".repeat(100_000),
      `${"a".repeat(100_000)}1`,
      '"\\'.repeat(100_000),
      "1.".repeat(100_000),
      "@".repeat(100_000),
    ]) {
      const began = performance.now();
      of(hostile, hostile);
      assert.ok(
        performance.now() - began < 250,
        `${hostile.slice(0, 10)}… took ${performance.now() - began} ms`,
      );
    }
  });
});

/** Reading JSON from outside: what is refused at the door, and with which words. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MAX_JSON_DEPTH, parseStrictJson } from "./json.ts";
import { Problem, type ProblemCode } from "./problem.ts";

const parse = (text: string) => parseStrictJson(Buffer.from(text, "utf8"));
const nested = (levels: number, open = "[", close = "]") => open.repeat(levels) + close.repeat(levels);

function refused(bytes: string | Uint8Array, code: ProblemCode, words: RegExp): Problem {
  let thrown: unknown;
  try {
    parseStrictJson(typeof bytes === "string" ? Buffer.from(bytes, "utf8") : bytes);
  } catch (error) {
    thrown = error;
  }
  assert.ok(thrown instanceof Problem, "a Problem is thrown");
  assert.equal(thrown.code, code);
  assert.match(thrown.message, words);
  assert.ok(thrown.hint.length > 0);
  return thrown;
}

describe("depth", () => {
  it("of 64 levels is read", () => {
    assert.equal(MAX_JSON_DEPTH, 64);
    assert.ok(Array.isArray(parse(nested(64))));
    assert.ok(parse(`${'{"a":'.repeat(63)}[]${"}".repeat(63)}`));
  });

  it("of 65 levels is refused, in arrays, objects and a mixture", () => {
    refused(nested(65), "json_too_deep", /deeper than 64/);
    refused(`${'{"a":'.repeat(64)}{}${"}".repeat(64)}`, "json_too_deep", /deeper than 64/);
    refused(`${'[{"a":'.repeat(32)}[]${"}]".repeat(32)}`, "json_too_deep", /deeper than 64/);
  });

  it("of a million levels is refused before anything recurses", () => {
    refused("[".repeat(1_000_000), "json_too_deep", /deeper than 64/);
  });

  it("does not count what was closed again", () => {
    assert.equal((parse(`[${Array(1000).fill("[[]]").join(",")}]`) as unknown[]).length, 1000);
  });

  it("does not count brackets inside of strings, nor after an escaped quote", () => {
    const text = `${"[{".repeat(100)}\\" ]`;
    assert.equal(parse(JSON.stringify(text)), text);
    assert.deepEqual(parse(`{"[[[": "\\\\", "x": "\\"${"[".repeat(100)}"}`), {
      "[[[": "\\",
      x: `"${"[".repeat(100)}`,
    });
  });
});

describe("text that PostgreSQL could not store", () => {
  const cases: [name: string, body: string, path: string][] = [
    ["a NUL", '"a\\u0000b"', "/"],
    ["a NUL deep inside", '{"a": [1, {"b": "\\u0000"}]}', "/a/1/b"],
    ["a NUL in a name", '{"a": {"\\u0000": 1}}', "/a/…"],
    ["a lone high surrogate", '{"a": "\\ud83d"}', "/a"],
    ["a lone low surrogate", '["x", "\\ude00"]', "/1"],
    ["surrogates in the wrong order", '{"a": "\\ude00\\ud83d"}', "/a"],
  ];
  for (const [name, body, path] of cases) {
    it(`${name} is refused, and the place is named`, () => {
      const problem = refused(body, "invalid_json", /NUL character or a lone surrogate/);
      assert.equal((problem.details.errors as { path: string }[])[0]?.path, path);
    });
  }

  it("a pair of surrogates is one character, and welcome", () => {
    assert.equal(parse('"\\ud83d\\ude00"'), "😀");
  });

  it("an escaped backslash before u0000 is six harmless characters", () => {
    assert.equal(parse('"\\\\u0000"'), "\\u0000");
  });

  it("a NUL that is not escaped is no JSON at all", () => {
    refused('"a\0b"', "invalid_json", /not JSON/);
  });
});

describe("bytes", () => {
  it("that are not UTF-8 are refused: stray, overlong, an encoded surrogate, cut off", () => {
    for (const inside of [[0xff], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xe2, 0x82]]) {
      refused(Uint8Array.from([0x22, ...inside, 0x22]), "invalid_json", /not valid UTF-8/);
    }
  });

  it("of another encoding are refused", () => {
    refused(Buffer.from('{"a": 1}', "utf16le"), "invalid_json", /not JSON/);
  });

  it("of a byte order mark before the value are skipped", () => {
    assert.deepEqual(parseStrictJson(Buffer.from('\ufeff{"a": 1}', "utf8")), { a: 1 });
  });

  it("that are missing are refused", () => {
    refused("", "invalid_json", /not JSON/);
    refused("  \n", "invalid_json", /not JSON/);
  });
});

describe("a value", () => {
  it("of every kind is read", () => {
    for (const value of [null, true, 0, -1.5e-7, "ü", [], {}, { a: [1, "b", null] }]) {
      assert.deepEqual(parse(JSON.stringify(value)), value);
    }
  });

  it("that is nearly JSON is refused: two values, a trailing comma, NaN, single quotes, unbalanced", () => {
    for (const body of ["{} {}", "[1,]", "NaN", "{'a': 1}", "[", "]", '{"a": 1', '"']) {
      refused(body, "invalid_json", /not JSON/);
    }
  });

  it("that is a number beyond all bounds is refused with its place, not changed to another", () => {
    for (const body of ['{"a": [0, 1e999]}', `{"a": [0, -${"9".repeat(310)}]}`])
      refused(body, "invalid_json", /number at \/a\/1 is too large/);
    for (const body of ["1e300", "123456789e-999", '"1e999"', "0e999"]) parse(body);
  });

  it("named __proto__ is a member like any other, and changes no object", () => {
    const value = parse('{"__proto__": {"admin": true}}') as object;
    assert.equal(Object.getPrototypeOf(value), Object.prototype);
    assert.deepEqual(Object.keys(value), ["__proto__"]);
  });
});

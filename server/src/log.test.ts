/** The log: structure, levels, and secrets that never reach a line. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createLog, type LogLevel, redact } from "#log.ts";

function collect(logLevel: LogLevel = "debug") {
  const lines: string[] = [];
  const log = createLog({ logLevel }, { write: (line) => void lines.push(line) });
  return { log, lines, parsed: () => lines.map((line) => JSON.parse(line)) };
}

describe("a line", () => {
  it("is JSON with level, time and message, and its details beside", () => {
    const { log, parsed } = collect();
    log.info("started", { port: 1, message: "mine", level: 3 });
    const [line] = parsed();
    assert.equal(line.level, "info");
    assert.equal(line.message, "started");
    assert.ok(Date.parse(line.time) > 0);
    assert.equal(line.port, 1);
    assert.equal(line.message_, "mine");
    assert.equal(line.level_, 3);
  });

  it("below the level is not written", () => {
    const { log, lines } = collect("warn");
    log.info("no");
    log.warn("yes");
    assert.equal(lines.length, 1);
  });

  it("spells an error out, with its code, stack and cause", () => {
    const { log, parsed } = collect();
    const cause = new Error("inner");
    log.error("failed", { error: Object.assign(new Error("outer", { cause }), { code: "57P01" }) });
    const { error } = parsed()[0];
    assert.equal(error.message, "outer");
    assert.equal(error.code, "57P01");
    assert.match(error.stack, /log\.test/);
    assert.equal(error.cause.message, "inner");
  });

  it("does not walk into living objects that an error carries", () => {
    const { log, lines, parsed } = collect();
    const error = Object.assign(new Error("terminated"), {
      code: "57P01",
      client: new Map([["a", 1]]),
      line: 3,
    });
    log.error("lost", { error });
    assert.equal(parsed()[0].error.client, "[Map]");
    assert.equal(parsed()[0].error.line, 3);
    assert.ok(lines[0]!.length < 3_000);
  });

  it("survives what JSON does not know", () => {
    const { log, lines } = collect();
    const circle: Record<string, unknown> = { big: 1n, bytes: new Uint8Array(3), bad: new Date(Number.NaN) };
    circle.self = circle;
    log.warn("odd", circle);
    assert.equal(lines.length, 1);
    assert.match(lines[0]!, /\[3 bytes\]/);
  });
});

describe("a secret", () => {
  const masked = [
    "authorization",
    "Authorization",
    "token",
    "accessToken",
    "api_key",
    "apiKey",
    "x-api-key",
    "signing_secret",
    "signingSecret",
    "password",
    "adminKey",
  ];
  for (const name of masked) {
    it(`is masked by its name: ${name}`, () => {
      assert.deepEqual(redact({ deep: [{ [name]: "hunter2" }] }), { deep: [{ [name]: "[redacted]" }] });
    });
  }
  const texts = [
    `used mo_abcdefghijkm_${"s".repeat(43)} here`,
    "token moe_abc.def-ghi",
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "Authorization: Bearer hunter2hunter2",
    "GET /ai/gemini/x?key=hunter2&a=1",
    "postgres://orchestrator:hunter2@db/o",
  ];
  for (const text of texts) {
    it(`is masked within a text: ${text.slice(0, 20)}…`, () => {
      const { log, lines } = collect();
      log.info(text, { detail: text, error: new Error(text) });
      assert.ok(lines[0]!.includes("[redacted]"));
      assert.doesNotMatch(lines[0]!, /hunter2|sssss|abc\.def|MfKQ/);
    });
  }
  it("is not seen where there is none", () => {
    const plain = { idempotency_key: "topic-42", key_id: "abc", input_tokens: 5, monkey: "banana" };
    assert.deepEqual(redact(plain), plain);
  });
});

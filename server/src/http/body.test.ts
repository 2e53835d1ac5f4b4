/** Bodies at the door: what is taken and what is refused, over real connections. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { z } from "zod";
import { defineRoute } from "./route.ts";
import { problem, type TrialServer, trialServer } from "./trial-server.ts";

const THINGS = "/api/v1/things";
const Thing = z.strictObject({ name: z.string(), size: z.int().optional(), deep: z.json().optional() });
const about = { method: "POST", summary: "", tag: "Test", answers: { 200: z.json() } } as const;

let server: TrialServer;
const call: TrialServer["call"] = (path, sent) => server.call(path, sent);
before(async () => {
  server = await trialServer([
    defineRoute({
      ...about,
      path: THINGS,
      access: "operator",
      body: Thing,
      handle: async ({ body }) => ({ status: 200, body: { got: body.name } }),
    }),
    defineRoute({
      ...about,
      path: `${THINGS}/:thing_id/stop`,
      access: "operator",
      handle: async ({ params }) => ({ status: 200, body: { stopped: params.thing_id ?? null } }),
    }),
    defineRoute({
      ...about,
      path: "/workflows/:name",
      access: "public",
      raw: true,
      maxBodyBytes: 2_000_000,
      handle: async ({ rawBody, caller }) => ({
        status: 200,
        body: { bytes: rawBody.length, kind: caller.kind },
      }),
    }),
  ]);
});
after(() => server.close());

describe("a body", () => {
  it("that fits reaches the handler", async () => {
    const got = await call(THINGS, { body: '{"name":"ü"}', type: "Application/JSON; charset=UTF-8" });
    assert.equal(got.status, 200);
    assert.deepEqual(got.body, { got: "ü" });
  });
  it("with an unknown field is refused with what was meant", async () => {
    const got = await call(THINGS, { body: '{"name":"a","sise":1}' });
    problem(got, 422, "validation_failed");
    assert.equal(got.body.errors[0].path, "/sise");
    assert.match(got.body.errors[0].message, /did you mean "size"\?/);
  });
  it("with a wrong type, or null for a field that is there, is refused", async () => {
    problem(await call(THINGS, { body: '{"name":5}' }), 422, "validation_failed");
    problem(await call(THINGS, { body: '{"name":"a","size":"5"}' }), 422, "validation_failed");
    problem(await call(THINGS, { body: '{"name":"a","size":null}' }), 422, "validation_failed");
    problem(await call(THINGS, { body: "[]" }), 422, "validation_failed");
  });
  const stream = (bytes: number) => () => {
    const chunk = new Uint8Array(100_000).fill(32);
    let left = bytes;
    return new ReadableStream({
      pull(controller) {
        if (left <= 0) return controller.close();
        controller.enqueue(chunk);
        left -= chunk.length;
      },
    });
  };
  it("of 2 MB is refused, with a declared length or chunked", async () => {
    const text = `{"name":"${"x".repeat(2_000_000)}"}`;
    problem(await call(THINGS, { body: text }), 413, "payload_too_large");
    problem(await call(THINGS, { body: stream(2_000_000)() }), 413, "payload_too_large");
  });
  it("of 1.4 MB is taken", async () => {
    assert.equal((await call(THINGS, { body: `{"name":"${"x".repeat(1_400_000)}"}` })).status, 200);
  });
  const nested = (levels: number) => `{"name":"a","deep":${"[".repeat(levels - 1)}${"]".repeat(levels - 1)}}`;
  it("64 levels deep is taken, deeper ones are refused", async () => {
    assert.equal((await call(THINGS, { body: nested(64) })).status, 200);
    problem(await call(THINGS, { body: nested(65) }), 400, "json_too_deep");
    problem(await call(THINGS, { body: nested(100) }), 400, "json_too_deep");
    problem(await call(THINGS, { body: nested(100_000) }), 400, "json_too_deep");
  });
  const invalid: [string, RequestInit["body"]][] = [
    ["with a NUL", '{"name":"a\\u0000"}'],
    ["with a lone surrogate", '{"name":"\\ud800"}'],
    ["that is not UTF-8", new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x7d])],
    ["that is no JSON", '{"name":'],
    ["with two values", "{}{}"],
  ];
  for (const [what, body] of invalid) {
    it(`${what} is refused`, async () => problem(await call(THINGS, { body }), 400, "invalid_json"));
  }
  it("that is missing where one is needed is refused with a hint", async () => {
    problem(await call(THINGS, { method: "POST" }), 400, "invalid_json");
    problem(await call(THINGS, { method: "POST", type: "application/json" }), 400, "invalid_json");
  });
  for (const type of [
    "text/plain",
    "application/vnd.api+json",
    "application/json; charset=latin1",
    null,
    "nonsense",
  ]) {
    it(`of type ${type} is refused`, async () => {
      const body = new TextEncoder().encode('{"name":"a"}');
      problem(await call(THINGS, { body, type }), 415, "unsupported_media_type");
    });
  }
  it("that is compressed is refused", async () => {
    const got = await call(THINGS, { body: "xx", headers: { "content-encoding": "gzip" } });
    problem(got, 415, "unsupported_media_type");
  });
  it("of an action is none or {}", async () => {
    const path = `${THINGS}/7/stop`;
    assert.equal((await call(path, { method: "POST" })).status, 200);
    assert.equal((await call(path, { body: "{}" })).status, 200);
    assert.equal(
      (await call(path, { method: "POST", type: "application/x-www-form-urlencoded" })).status,
      200,
    );
    problem(await call(path, { body: '{"now":true}' }), 422, "validation_failed");
    problem(await call(path, { body: "{}", type: "text/plain" }), 415, "unsupported_media_type");
  });
  it("of a raw route is bytes of any type, up to the route's own limit", async () => {
    const got = await call("/workflows/x", { body: "\0\0", type: "application/octet-stream", key: "wrong" });
    assert.deepEqual(got.body, { bytes: 2, kind: "anonymous" });
    assert.equal((await call("/workflows/x", { body: "x".repeat(1_900_000) })).body.bytes, 1_900_000);
    problem(await call("/workflows/x", { body: "x".repeat(2_000_001) }), 413, "payload_too_large");
  });
});

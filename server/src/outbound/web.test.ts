/** Pages of the web against real loopback servers: what is decoded, what is too much, what is not even asked for. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { parseAllow } from "./allow.ts";
import { createOutbound } from "./client.ts";
import { OutboundFailure } from "./failure.ts";
import { fetchWebPage, type WebPageRequest } from "./web.ts";

async function serve(t: TestContext, listener: RequestListener, allow = "127.0.0.1") {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  const outbound = createOutbound({ allow: parseAllow(allow) });
  t.after(async () => {
    await outbound.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const request = {
    method: "GET",
    timeoutMs: 5_000,
    maxBytes: 10_000,
    signal: new AbortController().signal,
  } as const;
  return (over: { [K in keyof WebPageRequest]?: WebPageRequest[K] | undefined } = {}) =>
    fetchWebPage(outbound, url, { ...request, ...over } as WebPageRequest);
}

test("a page is decompressed and decoded as it says", async (t) => {
  const pages: [headers: Record<string, string>, body: Buffer][] = [
    [{ "content-type": "text/html; charset=utf-8", "content-encoding": "gzip" }, gzipSync("Grüße")],
    [{ "content-type": "text/html", "content-encoding": "br" }, brotliCompressSync("Grüße")],
    [{ "content-type": "text/html; charset=ISO-8859-1" }, Buffer.from("Grüße", "latin1")],
    [{ "content-type": "text/html" }, Buffer.from('<meta charset="windows-1252">Grüße', "latin1")],
    [{ "content-type": "text/html; charset=nonsense" }, Buffer.from("Grüße")],
  ];
  const get = await serve(t, (_request, response) => {
    const [headers, body] = pages[served++]!;
    response.writeHead(200, headers).end(body);
  });
  let served = 0;
  for (const _ of pages) assert.match((await get()).text, /Grüße$/);
});

test("a small body that hides a huge text is too large, and never unpacked whole", async (t) => {
  const bomb = gzipSync(Buffer.alloc(5_000_000));
  assert.ok(bomb.length < 10_000);
  const get = await serve(t, (_request, response) => {
    response.writeHead(200, { "content-encoding": "gzip" }).end(bomb);
  });
  await assert.rejects(get(), (error: OutboundFailure) => error.kind === "too_large");
});

test("headers alone do not wait for the body, nor read it", async (t) => {
  const asked: string[] = [];
  const get = await serve(t, (request, response) => {
    asked.push(request.method!);
    response.writeHead(404, { "x-robots-tag": "noindex" });
    if (request.method === "HEAD") response.end();
    // A body that never ends.
    else response.write("x".repeat(100_000));
  });
  const answer = await get({ maxBytes: undefined });
  assert.deepEqual([answer.status, answer.text, answer.headers["x-robots-tag"]], [404, "", "noindex"]);
  const head = await get({ method: "HEAD" });
  assert.deepEqual([head.status, head.text], [404, ""]);
  assert.deepEqual(asked, ["GET", "HEAD"]);
});

test("a private address is refused before anything is sent", async (t) => {
  let asked = 0;
  const get = await serve(t, () => asked++, "10.9.9.9");
  for (const method of ["GET", "HEAD"] as const) {
    await assert.rejects(
      get({ method }),
      (error: unknown) => error instanceof OutboundFailure && error.kind === "refused_by_guard",
    );
  }
  assert.equal(asked, 0);
});

/** Public pages against real loopback servers: robots.txt, redirects, limits, and what each failure is called. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { gzipSync } from "node:zlib";
import { parseAllow } from "./allow.ts";
import { createOutbound } from "./client.ts";
import { createPageReader } from "./pages.ts";

const never = new AbortController().signal;

/** A site whose robots.txt is `robots`; null: it has none. Addresses other than loopback are refused. */
async function site(t: TestContext, robots: string | number, listener: RequestListener) {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url!);
    if (request.url !== "/robots.txt") return listener(request, response);
    response.statusCode = typeof robots === "number" ? robots : 200;
    response.end(typeof robots === "number" ? "" : robots);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const outbound = createOutbound({ allow: parseAllow("127.0.0.1") });
  t.after(async () => {
    server.closeAllConnections();
    server.close();
    await outbound.close();
  });
  let nowMs = 0;
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const reader = createPageReader({
    outbound,
    nowMs: () => nowMs,
    inTurn: (_host, _pauseMs, _signal, work) => work(),
  });
  const why = async (path: string) => {
    const page = await reader.read(path.startsWith("http") ? path : url + path, never);
    return page.kind === "unread" ? page.why : page.text;
  };
  return { asked, url, reader, why, pass: (ms: number) => (nowMs += ms) };
}

const page: RequestListener = (request, response) => {
  response.setHeader("content-type", "text/html; charset=utf-8").end(`page ${request.url}`);
};

test("a page is read where robots.txt allows it; the rules are asked for once an hour", async (t) => {
  const { asked, why, pass } = await site(t, "User-agent: *\nDisallow: /private\n", page);
  assert.equal(await why("/a"), "page /a");
  assert.match(await why("/private/b"), /robots\.txt of 127\.0\.0\.1:\d+ asks not to read it/);
  assert.deepEqual(asked, ["/robots.txt", "/a"]);
  pass(3_600_001);
  await why("/c");
  assert.deepEqual(asked.slice(2), ["/robots.txt", "/c"]);
});

test("rules for our own name go before those for everybody; no file is no rule; a server in trouble is left alone", async (t) => {
  const own = await site(
    t,
    "User-agent: *\nDisallow: /\n\nUser-agent: master-orchestrator\nAllow: /\n",
    page,
  );
  assert.equal(await own.why("/a"), "page /a");
  assert.equal(await (await site(t, 404, page)).why("/a"), "page /a");
  assert.match(await (await site(t, 503, page)).why("/a"), /asks not to read/);
});

test("redirects are followed a few times, and each hop is checked like the first", async (t) => {
  const { why } = await site(t, "User-agent: *\nDisallow: /private\n", (request, response) => {
    const to: Record<string, string> = {
      "/a": "b",
      "/b": "/c",
      "/loop": "/loop",
      "/in": "http://10.0.0.1/",
      "/out": "/private/x",
      "/odd": "ftp://x/",
    };
    const location = to[request.url!];
    if (!location) return page(request, response);
    response.writeHead(302, { location }).end();
  });
  assert.equal(await why("/a"), "page /c");
  assert.match(await why("/loop"), /passed on more than 5 times/);
  assert.match(await why("/in"), /private address/);
  assert.match(await why("/out"), /robots\.txt/);
  assert.match(await why("/odd"), /no web address/);
});

test("what does not answer well is named; private addresses are not even called", async (t) => {
  const { why } = await site(t, 404, (request, response) => {
    if (request.url === "/big") return void response.end(Buffer.alloc(2_100_000));
    if (request.url === "/bomb")
      return void response.setHeader("content-encoding", "gzip").end(gzipSync(Buffer.alloc(20_000_000)));
    if (request.url === "/zstd") return void response.setHeader("content-encoding", "zstd").end("x");
    response.writeHead(410).end();
  });
  assert.match(await why("/gone"), /answered HTTP 410/);
  assert.match(await why("/big"), /larger than 2000000 bytes/);
  for (const path of ["/bomb", "/zstd"]) assert.match(await why(path), /compression is not known/);
  for (const address of ["http://169.254.169.254/latest", "http://[::1]:1/", "http://10.1.2.3/"]) {
    assert.match(await why(address), /address/);
  }
});

test("a compressed page and one in another encoding are read", async (t) => {
  const { why } = await site(t, 404, (request, response) => {
    if (request.url === "/gzip")
      return void response.setHeader("content-encoding", "gzip").end(gzipSync("zipped"));
    response.setHeader("content-type", "text/html; charset=iso-8859-1").end(Buffer.from([0x66, 0xfc, 0x72]));
  });
  assert.equal(await why("/gzip"), "zipped");
  assert.equal(await why("/latin"), "für");
});

test("one host is asked one thing at a time, and who gives up is told so", async (t) => {
  let open = 0;
  let most = 0;
  const { url, reader } = await site(t, 404, (_request, response) => {
    most = Math.max(most, ++open);
    setImmediate(() => {
      open--;
      response.end("x");
    });
  });
  await Promise.all(Array.from({ length: 6 }, (_, i) => reader.read(`${url}/${i}`, never)));
  assert.equal(most, 1);
  await assert.rejects(reader.read(`${url}/a`, AbortSignal.abort(new Error("the deadline"))), /the deadline/);
});

/** The outgoing client against real loopback servers: what each failure is called. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Socket } from "node:net";
import { afterEach, describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { parseAllow } from "./allow.ts";
import { createOutbound, type Outbound, type OutboundOptions } from "./client.ts";
import { type FailureKind, OutboundFailure } from "./failure.ts";
import type { ResolvedAddress } from "./guard.ts";

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function serve(listener: RequestListener): Promise<number> {
  const server: Server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  closing.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return (server.address() as AddressInfo).port;
}

function outbound(options: Partial<OutboundOptions> = {}): Outbound {
  const client = createOutbound({ allow: parseAllow("127.0.0.1"), ...options });
  closing.push(() => client.close());
  return client;
}

const fails = (work: Promise<unknown>, kind: FailureKind, words = /./) =>
  assert.rejects(work, (error) => {
    assert.ok(error instanceof OutboundFailure, String(error));
    assert.equal(error.kind, kind, error.message);
    assert.match(error.message, words);
    return true;
  });

const names = (table: Record<string, ResolvedAddress[]>): OutboundOptions["lookup"] => {
  return (host, done) => {
    const addresses = table[host];
    if (addresses) done(null, addresses);
    else done(Object.assign(new Error(`getaddrinfo ENOTFOUND ${host}`), { code: "ENOTFOUND" }), []);
  };
};
const v4 = (address: string) => ({ address, family: 4 });

describe("an answer", () => {
  it("comes back with status, headers and bytes, whatever the status", async () => {
    const port = await serve((request, response) => {
      let body = "";
      request.on("data", (chunk) => {
        body += chunk;
      });
      request.on("end", () => {
        response.writeHead(418, { "x-mode": request.method, "set-cookie": ["a=1", "b=2"] });
        response.end(`${request.headers["x-api-key"]} ${request.url} ${body}`);
      });
    });
    const answer = await outbound().post(`http://127.0.0.1:${port}/hook?a=1`, {
      headers: { "x-api-key": "k" },
      body: "ü",
    });
    assert.equal(answer.status, 418);
    assert.equal(answer.headers["x-mode"], "POST");
    assert.equal(answer.headers["set-cookie"], "a=1, b=2");
    assert.equal(Buffer.from(answer.body).toString(), "k /hook?a=1 ü");
  });

  it("that redirects is not followed", async () => {
    let calls = 0;
    const port = await serve((_request, response) => {
      calls++;
      response.writeHead(302, { location: "http://169.254.169.254/latest/meta-data" }).end();
    });
    const answer = await outbound().get(`http://127.0.0.1:${port}/`);
    assert.equal(answer.status, 302);
    assert.equal(calls, 1);
  });

  it("that is too large is cut, also without a declared length", async () => {
    const port = await serve((request, response) => {
      if (request.url === "/declared") response.setHeader("content-length", 3_000_000);
      const chunk = Buffer.alloc(64 * 1024);
      const more = () => {
        while (!response.destroyed && response.write(chunk));
        response.once("drain", more);
      };
      more();
    });
    const client = outbound();
    await fails(client.get(`http://127.0.0.1:${port}/endless`), "too_large", /1048576 bytes/);
    await fails(client.get(`http://127.0.0.1:${port}/declared`, { maxResponseBytes: 1000 }), "too_large");
  });

  it("that is compressed is not unpacked", async () => {
    const bomb = gzipSync(Buffer.alloc(20_000_000));
    const port = await serve((_request, response) =>
      response.setHeader("content-encoding", "gzip").end(bomb),
    );
    const answer = await outbound().get(`http://127.0.0.1:${port}/`);
    assert.equal(answer.body.length, bomb.length);
  });
});

describe("a failure", () => {
  it("is a timeout when no answer comes in time, before or within the body", async () => {
    const port = await serve((request, response) => {
      if (request.url === "/half") response.write("half");
    });
    const client = outbound();
    await fails(client.get(`http://127.0.0.1:${port}/silent`, { timeoutMs: 60 }), "timeout", /within 60 ms/);
    await fails(client.get(`http://127.0.0.1:${port}/half`, { timeoutMs: 60 }), "timeout");
  });

  it("is a timeout when the caller gives up", async () => {
    const port = await serve(() => {});
    const stop = new AbortController();
    const pending = outbound().get(`http://127.0.0.1:${port}/`, { signal: stop.signal });
    setImmediate(() => stop.abort());
    await fails(pending, "timeout", /given up/);
  });

  it("is a reset when the connection is cut after the request", async () => {
    const sockets = new Set<Socket>();
    const server = createTcpServer((socket) => {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.once("data", () => socket.resetAndDestroy());
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    closing.push(() => new Promise((resolve) => server.close(resolve)));
    const port = (server.address() as AddressInfo).port;
    await assert.rejects(outbound().post(`http://127.0.0.1:${port}/`, { body: "x" }), (error) => {
      return error instanceof OutboundFailure && error.kind === "reset" && error.maybeReceived;
    });
  });

  it("is connect when nobody listens, and nothing was sent", async () => {
    const server = createTcpServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const port = (server.address() as AddressInfo).port;
    await new Promise((resolve) => server.close(resolve));
    await assert.rejects(outbound().post(`http://127.0.0.1:${port}/`, {}), (error) => {
      return error instanceof OutboundFailure && error.kind === "connect" && !error.maybeReceived;
    });
  });

  it("is dns when the name is not known", () =>
    fails(outbound({ lookup: names({}) }).get("http://nowhere.test/"), "dns", /nowhere\.test/));

  it("is named before anything is sent when a header is impossible", () =>
    fails(outbound().get("http://127.0.0.1:9/", { headers: { "x-a": "a\r\nb: c" } }), "refused_by_guard"));
});

describe("the guard", () => {
  it("refuses a literal before connecting", async () => {
    let calls = 0;
    const port = await serve((_request, response) => {
      calls++;
      response.end();
    });
    const client = outbound({ allow: [] });
    for (const host of ["127.0.0.1", "127.1", "2130706433", "[::ffff:7f00:1]", "localhost"]) {
      await fails(client.get(`http://${host}:${port}/`), "refused_by_guard");
    }
    assert.equal(calls, 0);
  });

  it("checks what the name resolves to at each connection, so that rebinding gains nothing", async () => {
    let calls = 0;
    const port = await serve((_request, response) => {
      calls++;
      response.setHeader("connection", "close").end();
    });
    const answers: ResolvedAddress[][] = [[v4("127.0.0.1")], [v4("8.8.8.8"), v4("127.0.0.2")]];
    const client = outbound({ lookup: (_host, done) => done(null, answers.shift()!) });
    const url = `http://rebound.test:${port}/`;
    assert.equal((await client.get(url)).status, 200);
    await fails(client.get(url), "refused_by_guard", /rebound\.test resolves to 127\.0\.0\.2/);
    assert.equal(calls, 1);
  });

  it("lets an allowed name pass to a private address", async () => {
    const port = await serve((_request, response) => response.end("in"));
    const lookup = names({ "n8n.internal": [v4("127.0.0.1")] });
    const client = outbound({ allow: parseAllow(`n8n.internal:${port}`), lookup });
    assert.equal((await client.get(`http://n8n.internal:${port}/`)).status, 200);
    await fails(client.get(`http://n8n.internal:${port === 1 ? 2 : 1}/`), "refused_by_guard");
  });

  it("is left aside for the orchestrator's own workflows only", async () => {
    const port = await serve((_request, response) => response.end("own"));
    const client = outbound({ allow: [] });
    assert.equal((await client.post(`http://127.0.0.1:${port}/`, { own: true })).status, 200);
    await fails(client.post(`http://127.0.0.1:${port}/`, {}), "refused_by_guard");
  });
});

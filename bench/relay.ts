/** The least that a hop takes: reads a call, sends it on, sends the answer back. No key, no ledger, no reading of anything. */
import { createServer } from "node:http";
import { Agent, request } from "undici";

const agent = new Agent({ connections: 64 });
const target = process.argv[2] as string;

const server = createServer((incoming, outgoing) => {
  const received: Buffer[] = [];
  incoming.on("data", (chunk) => received.push(chunk));
  incoming.on("end", () => {
    void request(target + incoming.url, {
      dispatcher: agent,
      method: "POST",
      headers: { "content-type": "application/json" },
      body: Buffer.concat(received),
    }).then(async (answer) => {
      const body = Buffer.from(await answer.body.bytes());
      outgoing.writeHead(answer.statusCode, {
        "content-type": String(answer.headers["content-type"]),
        "content-length": body.length,
      });
      outgoing.end(body);
    });
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, "127.0.0.1", () => {
  process.send?.({ port: (server.address() as { port: number }).port });
});

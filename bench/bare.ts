/** The HTTP messages of lifecycles in a process of their own that does nothing else: no checks, no store, no decisions. */
import { createServer, type ServerResponse } from "node:http";
import { Agent, request } from "undici";

const agent = new Agent({ connections: 64 });
const stubUrl = process.argv[2] as string;
/** Makes the message as long as the service's own. */
const FILLER = "x".repeat(600);
let port = 0;

function answer(outgoing: ServerResponse, status: number, body: string): void {
  const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
  outgoing.writeHead(status, headers).end(body);
}

async function dispatch(): Promise<void> {
  const sent = await request(stubUrl, {
    dispatcher: agent,
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      attempt: 1,
      callback_url: `http://127.0.0.1:${port}/callback`,
      authentication: { token: FILLER.slice(0, 80) },
      context: FILLER,
    }),
  });
  await sent.body.dump();
}

const server = createServer((incoming, outgoing) => {
  incoming.resume().once("end", () => {
    if (incoming.url?.endsWith("/tasks")) {
      answer(
        outgoing,
        202,
        '{"tasks":[{"task_id":"00000000-0000-7000-8000-000000000000","status":"queued"}]}',
      );
      dispatch().catch((error) => process.stderr.write(`bare: ${error}\n`));
    } else if (incoming.url?.endsWith("/callback")) {
      answer(outgoing, 200, '{"accepted":true}');
      process.send?.("completed");
    } else {
      answer(outgoing, 200, '{"claimed":true}');
    }
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, "127.0.0.1", () => {
  port = (server.address() as { port: number }).port;
  process.send?.({ port });
});

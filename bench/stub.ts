/** A sub-workflow in a process of its own that does nothing but the protocol: accept, claim, call back. */
import { createServer } from "node:http";
import { createPoster } from "./post.ts";

/** Enough that no call waits for another one's answer: a sub-workflow's own limit is not what is measured. */
const { post: ask } = createPoster({ connections: 256, withinMs: 30_000 });

/** Tries again for two seconds: whoever answered may be gone, and another be there. */
async function post(url: string, token: string, body: unknown): Promise<void> {
  for (let tries = 0; tries < 20; tries++) {
    const answer = await ask(url, { token, body }).catch(() => null);
    if (answer && answer.status < 500) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

interface Dispatch {
  attempt: number;
  callback_url: string;
  authentication: { token: string };
}

async function work({ attempt, callback_url: url, authentication: { token } }: Dispatch): Promise<void> {
  await post(url.replace(/callback$/, "claim"), token, { attempt, claimant: "stub" });
  await post(url, token, { attempt, status: "completed", result_data: {} });
}

const ACCEPTED = '{"accepted":true}';
const ACCEPTED_HEADERS = { "content-type": "application/json", "content-length": ACCEPTED.length };

const server = createServer((incoming, outgoing) => {
  const chunks: Buffer[] = [];
  incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
  incoming.on("end", () => {
    outgoing.writeHead(202, ACCEPTED_HEADERS).end(ACCEPTED);
    const dispatch = JSON.parse(Buffer.concat(chunks).toString()) as Dispatch;
    work(dispatch).catch((error) => process.stderr.write(`stub: ${error}\n`));
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, "127.0.0.1", () => {
  const { port } = server.address() as { port: number };
  process.send?.({ port });
});
// Whoever started it is gone, however that came.
process.once("disconnect", () => process.exit());

/** A provider in a process of its own that does nothing but answer a chat at once, with its usage; as a stream if asked. */
import { createServer } from "node:http";

const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };
const base = { id: "chatcmpl-bench", created: 1, model: "gpt-4o-mini" };
const message = { role: "assistant", content: "Hello there" };
const whole = JSON.stringify({
  ...base,
  object: "chat.completion",
  choices: [{ index: 0, message, finish_reason: "stop" }],
  usage,
});
const chunks = [
  { choices: [{ index: 0, delta: message, finish_reason: null }], usage: null },
  { choices: [{ index: 0, delta: {}, finish_reason: "stop" }], usage: null },
  { choices: [], usage },
].map((chunk) => `data: ${JSON.stringify({ ...base, object: "chat.completion.chunk", ...chunk })}\n\n`);
const stream = [...chunks, "data: [DONE]\n\n"];

const server = createServer((incoming, outgoing) => {
  const received: Buffer[] = [];
  incoming.on("data", (chunk) => received.push(chunk));
  incoming.on("end", () => {
    if (Buffer.concat(received).includes('"stream":true')) {
      outgoing.writeHead(200, { "content-type": "text/event-stream" });
      for (const event of stream) outgoing.write(event);
      outgoing.end();
      return;
    }
    outgoing.setHeader("content-type", "application/json");
    outgoing.setHeader("content-length", Buffer.byteLength(whole));
    outgoing.end(whole);
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, "127.0.0.1", () => {
  const { port } = server.address() as { port: number };
  process.send?.({ port });
});

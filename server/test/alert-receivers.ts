/** Owns receivers of alerts for tests: Slack, a webhook, PagerDuty and a mail server, each of which answers as it is told. */
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders } from "node:http";
import { type AddressInfo, createServer as createSocketServer, type Socket } from "node:net";
import type { TestContext } from "node:test";
import { verify } from "@master-orchestrator/contract/signature";

export const WEBHOOK_SECRET = "whsec_YWxlcnRzLWFsZXJ0cy1hbGVydHMtYWxlcnRz";
export const PAGERDUTY_KEY = "0123456789abcdef0123456789abcdef";

export interface Received {
  headers: IncomingHttpHeaders;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into bodies as they please
  body: any;
  /** Of a webhook: whether its signature fits the secret and the test's time. */
  signed: boolean;
}

export interface Said {
  status: number;
  type?: string;
  body?: string;
  location?: string;
}

export interface Receiver {
  url: string;
  /** Whatever arrived, taken or not, oldest first. */
  received: Received[];
  /** Answers so from now on; null: as one that is well. */
  says(answer: Said | null): void;
}

const WELL: Record<string, Said> = {
  slack: { status: 200, type: "text/plain", body: "ok" },
  webhook: { status: 204 },
  pagerduty: {
    status: 202,
    type: "application/json",
    body: '{"status":"success","message":"Event processed"}',
  },
};

/** Listens until the test ends. */
export async function aReceiver(
  t: TestContext,
  kind: keyof typeof WELL,
  nowMs: () => number,
): Promise<Receiver> {
  const received: Received[] = [];
  let answer: Said | null = null;
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const raw = Buffer.concat(chunks);
    const headers = { get: (name: string) => (request.headers[name] as string | undefined) ?? null };
    const { ok } = verify(WEBHOOK_SECRET, headers, raw, nowMs() / 1000);
    received.push({ headers: request.headers, body: JSON.parse(raw.toString("utf8")), signed: ok });
    const { status, type, body, location } = answer ?? (WELL[kind] as Said);
    response.writeHead(status, { ...(type && { "content-type": type }), ...(location && { location }) });
    response.end(body);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/services/T0/B0/the-secret-path`;
  return {
    url,
    received,
    says(next) {
      answer = next;
    },
  };
}

export interface Mailbox {
  url: string;
  mails: string[];
}

/** A mail server that takes everything, as much of SMTP as it takes. */
export async function aMailbox(t: TestContext): Promise<Mailbox> {
  const mails: string[] = [];
  const sockets = new Set<Socket>();
  const server = createSocketServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => {});
    converse(socket, (mail) => mails.push(mail));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  return { url: `smtp://127.0.0.1:${(server.address() as AddressInfo).port}`, mails };
}

function converse(socket: Socket, take: (mail: string) => void): void {
  let text = "";
  let mail: string | null = null;
  socket.setEncoding("utf8");
  socket.write("220 mail.test ESMTP\r\n");
  socket.on("data", (chunk: string) => {
    text += chunk;
    for (let end = text.indexOf("\r\n"); end >= 0; end = text.indexOf("\r\n")) {
      const line = text.slice(0, end);
      text = text.slice(end + 2);
      if (mail !== null) {
        if (line !== ".") mail += `${line.replace(/^\.\./, ".")}\n`;
        else {
          take(mail);
          mail = null;
          socket.write("250 2.0.0 taken\r\n");
        }
      } else if (line === "DATA") {
        mail = "";
        socket.write("354 go on\r\n");
      } else if (line === "QUIT") socket.end("221 bye\r\n");
      else socket.write("250 mail.test\r\n");
    }
  });
}

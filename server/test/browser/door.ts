/** Owns one address in front of a house: it can be shut, and open again to another house, as when a server is restarted. */

import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import type { TestContext } from "node:test";

export interface Door {
  url: string;
  /** Leads to this house from now on. */
  open(houseUrl: string): void;
  /** Cuts every connection and refuses new ones, until it is opened again. */
  shut(): void;
}

export async function aDoor(t: TestContext, houseUrl: string): Promise<Door> {
  let target: URL | null = new URL(houseUrl);
  const sockets = new Set<Socket>();
  const keep = (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => {}).once("close", () => sockets.delete(socket));
    return socket;
  };
  const server = createServer((incoming) => {
    keep(incoming);
    if (target === null) return void incoming.destroy();
    const outgoing = keep(connect(Number(target.port), target.hostname));
    incoming.pipe(outgoing).pipe(incoming);
    incoming.once("close", () => outgoing.destroy());
    outgoing.once("close", () => incoming.destroy());
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const shut = () => {
    target = null;
    for (const socket of sockets) socket.destroy();
  };
  t.after(() => {
    shut();
    server.close();
  });
  return {
    url: `http://127.0.0.1:${(server.address() as { port: number }).port}`,
    open(houseUrl) {
      target = new URL(houseUrl);
    },
    shut,
  };
}

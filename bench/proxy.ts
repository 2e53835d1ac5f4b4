/** A TCP proxy that can be cut or fall silent: a load balancer, or a network that fails. Understands no protocol. */
import { connect, createServer, type Socket } from "node:net";

export interface Passage {
  port: number;
  /** Refuses new connections and resets the open ones, until `mend`. */
  cut(): void;
  /** Passes nothing on and closes nothing, as if every packet were lost, until `mend`. */
  silence(): void;
  mend(): void;
  /** Resets the connections to one target only. */
  dropTo(port: number): void;
  close(): Promise<void>;
}

/** Every new connection goes to the port that `target` names then. */
export async function startProxy(target: () => number): Promise<Passage> {
  const pairs = new Set<{ port: number; sockets: [Socket, Socket] }>();
  let state: "open" | "cut" | "silent" = "open";
  const server = createServer((near) => {
    if (state === "cut") return void near.resetAndDestroy();
    const port = target();
    const far = connect(port, "127.0.0.1");
    const pair = { port, sockets: [near, far] as [Socket, Socket] };
    pairs.add(pair);
    for (const [one, other] of [pair.sockets, [far, near] as const]) {
      one.setNoDelay(true);
      one.pipe(other);
      if (state === "silent") one.pause();
      one.on("error", () => {});
      one.on("close", () => {
        pairs.delete(pair);
        other.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const drop = (port?: number) => {
    for (const pair of pairs) {
      if (port === undefined || pair.port === port)
        for (const socket of pair.sockets) socket.resetAndDestroy();
    }
  };
  const each = (act: (socket: Socket) => void) => {
    for (const { sockets } of pairs) sockets.forEach(act);
  };
  return {
    port: (server.address() as { port: number }).port,
    cut() {
      state = "cut";
      drop();
    },
    silence() {
      state = "silent";
      each((socket) => socket.pause());
    },
    mend() {
      state = "open";
      each((socket) => socket.resume());
    },
    dropTo: drop,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      drop();
      await closed;
    },
  };
}

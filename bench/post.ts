/**
 * Posts JSON with as little work as a client can do, since whoever makes the load shares the processors with what is
 * measured: sockets that are kept, one write for a request, nothing read of an answer but its status and its length.
 */
import { connect, type Socket } from "node:net";

export interface Posted {
  status: number;
  /** Kept only of an answer that is no success. */
  text: string;
}

interface Asked {
  method?: "POST" | "PUT";
  token: string;
  body: unknown;
}

interface Waiting {
  resolve(posted: Posted): void;
  reject(error: Error): void;
}

const HEAD_END = "\r\n\r\n";

/** A kept connection; one request at a time. */
class Line {
  readonly #socket: Socket;
  #waiting: Waiting | null = null;
  #got = "";
  readonly #free: (line: Line) => void;
  closed = false;

  constructor(origin: URL, withinMs: number, free: (line: Line) => void) {
    this.#free = free;
    this.#socket = connect({ host: origin.hostname, port: Number(origin.port), noDelay: true });
    this.#socket.setEncoding("latin1").setTimeout(withinMs, () => this.#fail(new Error("no answer in time")));
    this.#socket.on("data", (text: string) => this.#read(text));
    this.#socket.on("error", (error) => this.#fail(error));
    this.#socket.on("close", () => this.#fail(new Error("the connection was closed")));
  }

  send(text: string, waiting: Waiting): void {
    this.#waiting = waiting;
    this.#socket.write(text);
  }

  end(): void {
    this.closed = true;
    this.#socket.destroy();
  }

  #read(text: string): void {
    this.#got += text;
    const headEnd = this.#got.indexOf(HEAD_END);
    if (headEnd < 0) return;
    const length = /\r\ncontent-length: (\d+)/i.exec(this.#got)?.[1];
    if (length === undefined) {
      this.#fail(new Error("an answer without a length"));
      return;
    }
    const bodyAt = headEnd + HEAD_END.length;
    if (this.#got.length < bodyAt + Number(length)) return;
    const status = Number(this.#got.slice(9, 12));
    const posted = { status, text: status < 300 ? "" : this.#got.slice(bodyAt) };
    if (/\r\nconnection: close/i.test(this.#got.slice(0, headEnd))) this.end();
    this.#got = "";
    const waiting = this.#waiting;
    this.#waiting = null;
    this.#free(this);
    waiting?.resolve(posted);
  }

  #fail(error: Error): void {
    if (this.closed) return;
    this.end();
    const waiting = this.#waiting;
    this.#waiting = null;
    this.#free(this);
    waiting?.reject(error);
  }
}

export interface Poster {
  /** Rejects when there was no answer. Follows nothing, retries nothing. */
  post(url: string, asked: Asked): Promise<Posted>;
  close(): void;
}

/** At most `connections` to each origin; those that find none free wait in line. */
export function createPoster({ connections, withinMs }: { connections: number; withinMs: number }): Poster {
  type Origin = { url: URL; idle: Line[]; all: Set<Line>; line: ((line: Line) => void)[] };
  const origins = new Map<string, Origin>();
  const originOf = (name: string) => {
    const known = origins.get(name) ?? { url: new URL(name), idle: [], all: new Set(), line: [] };
    origins.set(name, known);
    return known;
  };
  const free = (origin: Origin) => (line: Line) => {
    if (line.closed) origin.all.delete(line);
    else origin.idle.push(line);
    const next = origin.line.shift();
    if (next) take(origin, next);
  };
  const take = (origin: Origin, use: (line: Line) => void) => {
    for (let line = origin.idle.pop(); line; line = origin.idle.pop()) if (!line.closed) return use(line);
    if (origin.all.size >= connections) return void origin.line.push(use);
    const line = new Line(origin.url, withinMs, free(origin));
    origin.all.add(line);
    use(line);
  };
  return {
    post(url, { method = "POST", token, body }) {
      const slash = url.indexOf("/", "https://".length);
      const origin = originOf(url.slice(0, slash));
      const text = JSON.stringify(body);
      const head = `${method} ${url.slice(slash)} HTTP/1.1\r\nhost: ${origin.url.host}\r\nauthorization: Bearer ${token}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}`;
      return new Promise((resolve, reject) => {
        take(origin, (line) => line.send(`${head}${HEAD_END}${text}`, { resolve, reject }));
      });
    },
    close() {
      for (const { all } of origins.values()) for (const line of all) line.end();
    },
  };
}

/** Owns a small web for tests: pages by address, and a record of who asked for what, when. Opens no socket. */
import { type Web, type WebAnswer, WebFailure, type WebFailureKind } from "./library.ts";

export type Served =
  | { status?: number; headers?: Record<string, string>; text?: string }
  | { fails: WebFailureKind }
  /** By method; a method that is not there is answered 405. */
  | { GET?: Served; HEAD?: Served };

export interface SampleWeb {
  web: Web;
  /** `HEAD https://a.example/` and so on, in order. */
  asked: string[];
  /** The most requests to one host that were open at once. */
  mostAtOnce(): number;
}

/** What is not in `pages` is answered 404; `during` runs while a request is open. */
export function sampleWeb(
  pages: Record<string, Served>,
  during: (url: string) => Promise<void> = async () => {},
): SampleWeb {
  const asked: string[] = [];
  const open = new Map<string, number>();
  let most = 0;
  return {
    asked,
    mostAtOnce: () => most,
    async web(url, { method, maxBytes, signal }) {
      const { host } = new URL(url);
      asked.push(`${method} ${url}`);
      open.set(host, (open.get(host) ?? 0) + 1);
      most = Math.max(most, open.get(host)!);
      try {
        await during(url);
        signal.throwIfAborted();
        return answerOf(pages[url] ?? { status: 404 }, method, maxBytes);
      } finally {
        open.set(host, open.get(host)! - 1);
      }
    },
  };
}

function answerOf(served: Served, method: "GET" | "HEAD", maxBytes: number | undefined): WebAnswer {
  if ("fails" in served) throw new WebFailure(served.fails, `the request was ${served.fails}`);
  if ("GET" in served || "HEAD" in served)
    return answerOf(served[method] ?? { status: 405 }, method, maxBytes);
  const {
    status = 200,
    headers = {},
    text = "",
  } = served as Exclude<Served, { fails: unknown }> & {
    status?: number;
    headers?: Record<string, string>;
    text?: string;
  };
  const bytes = Buffer.byteLength(text);
  if (method === "GET" && maxBytes !== undefined && bytes > maxBytes) {
    throw new WebFailure("too_large", `larger than ${maxBytes} bytes`);
  }
  return {
    status,
    headers: { "content-type": "text/html", ...headers },
    text: method === "GET" && maxBytes !== undefined ? text : "",
    bytes,
  };
}

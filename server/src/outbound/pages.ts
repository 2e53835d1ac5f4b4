/** Reads public pages for the workflows: through the guard, hop by hop, with limits, and as politely as robots.txt asks. Keeps no page. */
import { promisify } from "node:util";
import { brotliDecompress, gunzip, inflate } from "node:zlib";
import robotsParser from "robots-parser";
import type { Outbound, OutboundResponse } from "./client.ts";
import { OutboundFailure } from "./failure.ts";

export type Page =
  | { kind: "page"; url: string; contentType: string; text: string }
  /** `why`: for people, e.g. `HTTP 404`. */
  | { kind: "unread"; why: string };

export interface PageReader {
  /** Never rejects but when `signal` aborts. */
  read(url: string, signal: AbortSignal): Promise<Page>;
}

export interface PageReaderOptions {
  outbound: Pick<Outbound, "get">;
  /** Epoch milliseconds. */
  nowMs(): number;
  /** Runs a request when it is our turn at its host, among all replicas; the host is left alone for `pauseMs` behind it. */
  inTurn<T>(host: string, pauseMs: number, signal: AbortSignal, work: () => Promise<T>): Promise<T>;
}

/** What robots.txt files call us. */
export const ROBOT = "master-orchestrator";
const USER_AGENT = `${ROBOT}/0.1 (reads sources that an editor named)`;
const MAX_HOPS = 5;
/** Between two requests to one host. */
const PAUSE_MS = 500;
const PAGE_WITHIN_MS = 10_000;
const MAX_PAGE_BYTES = 2_000_000;
/** RFC 9309: at least 500 KiB of a robots.txt have to be read. */
const MAX_ROBOTS_BYTES = 512_000;
const ROBOTS_WITHIN_MS = 5_000;
const ROBOTS_KEPT_MS = 3_600_000;
const ROBOTS_KEPT = 500;

type Rules = (url: string) => boolean;

/** One for a process: it remembers rules for an hour, and asks one host one thing at a time, as all replicas together do. */
export function createPageReader({ outbound, nowMs, inTurn: amongReplicas }: PageReaderOptions): PageReader {
  const rules = new Map<string, { at: number; rules: Promise<Rules> }>();
  const turns = new Map<string, Promise<unknown>>();

  /** Whether the rules of the address's origin let us read it. */
  async function allowed(url: URL, signal: AbortSignal): Promise<boolean> {
    const known = rules.get(url.origin);
    if (known && nowMs() - known.at < ROBOTS_KEPT_MS) return (await known.rules)(url.href);
    const asked = askRules(outbound, url.origin, signal);
    rules.set(url.origin, { at: nowMs(), rules: asked });
    // Rules that could not be asked for are asked for again by the next.
    asked.catch(() => rules.delete(url.origin));
    for (const oldest of rules.keys()) {
      if (rules.size <= ROBOTS_KEPT) break;
      rules.delete(oldest);
    }
    return (await asked)(url.href);
  }

  /** Waits for whoever reads of the same host. */
  async function inTurn<T>(host: string, work: () => Promise<T>): Promise<T> {
    const before = turns.get(host) ?? Promise.resolve();
    const own = before.then(work, work);
    const settled = own.catch(() => {});
    turns.set(host, settled);
    try {
      return await own;
    } finally {
      if (turns.get(host) === settled) turns.delete(host);
    }
  }

  async function follow(address: string, signal: AbortSignal): Promise<Page> {
    let url = URL.parse(address);
    for (let hops = 0; hops <= MAX_HOPS; hops++) {
      if (!url || !/^https?:$/.test(url.protocol))
        return { kind: "unread", why: "it leads to no web address" };
      const target = url;
      signal.throwIfAborted();
      const ask = async () =>
        (await allowed(target, signal)) ? await get(outbound, target.href, signal) : null;
      const answer = await inTurn(target.host, () => amongReplicas(target.host, PAUSE_MS, signal, ask));
      if (answer === null)
        return { kind: "unread", why: `the robots.txt of ${target.host} asks not to read it` };
      const { status, headers } = answer;
      if (status >= 300 && status < 400 && headers.location) {
        url = URL.parse(headers.location, target.href);
        continue;
      }
      if (status !== 200) return { kind: "unread", why: `${target.host} answered HTTP ${status}` };
      const text = await textOf(answer);
      if (text === null) return { kind: "unread", why: "its encoding or compression is not known" };
      return { kind: "page", url: target.href, contentType: headers["content-type"] ?? "", text };
    }
    return { kind: "unread", why: `it was passed on more than ${MAX_HOPS} times` };
  }

  return {
    async read(url, signal) {
      try {
        return await follow(url, signal);
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof OutboundFailure) return { kind: "unread", why: error.message };
        throw error;
      }
    },
  };
}

function get(outbound: Pick<Outbound, "get">, url: string, signal: AbortSignal): Promise<OutboundResponse> {
  const headers = {
    "user-agent": USER_AGENT,
    accept: "text/html,application/xhtml+xml,text/plain;q=0.9,*/*;q=0.1",
  };
  return outbound.get(url, { headers, signal, timeoutMs: PAGE_WITHIN_MS, maxResponseBytes: MAX_PAGE_BYTES });
}

/**
 * RFC 9309: no file is no rule; a server in trouble (5xx, 429) is to be left alone; a file that has moved is followed.
 * Rejects when the server cannot be reached.
 */
async function askRules(
  outbound: Pick<Outbound, "get">,
  origin: string,
  signal: AbortSignal,
): Promise<Rules> {
  const limits = { timeoutMs: ROBOTS_WITHIN_MS, maxResponseBytes: MAX_ROBOTS_BYTES };
  let url = `${origin}/robots.txt`;
  for (let hops = 0; hops <= MAX_HOPS; hops++) {
    const { status, headers, body } = await outbound.get(url, {
      headers: { "user-agent": USER_AGENT },
      signal,
      ...limits,
    });
    if (status >= 500 || status === 429) return () => false;
    const moved = status >= 300 && status < 400 && headers.location ? URL.parse(headers.location, url) : null;
    if (moved && /^https?:$/.test(moved.protocol)) {
      url = moved.href;
      continue;
    }
    if (status !== 200) return () => true;
    // The rules are the origin's, wherever its file lies.
    const robot = parseRobots(`${origin}/robots.txt`, Buffer.from(body).toString("utf8"));
    return (address) => robot.isAllowed(address, ROBOT) ?? true;
  }
  return () => true;
}

/** Its types name a default export, which a CommonJS module has not. */
const parseRobots = robotsParser as unknown as typeof robotsParser.default;

const UNPACK: Readonly<
  Record<string, (bytes: Uint8Array, limits: { maxOutputLength: number }) => Promise<Buffer>>
> = {
  gzip: promisify(gunzip),
  deflate: promisify(inflate),
  br: promisify(brotliDecompress),
};

/** The body as text; null where it cannot be read. We ask for no compression, and some servers compress all the same. */
async function textOf({ headers, body }: OutboundResponse): Promise<string | null> {
  const packing = (headers["content-encoding"] ?? "identity").trim().toLowerCase();
  const unpack = UNPACK[packing];
  if (packing !== "identity" && packing !== "" && !unpack) return null;
  try {
    const bytes = unpack ? await unpack(body, { maxOutputLength: MAX_PAGE_BYTES }) : body;
    const named = /charset=["']?([\w-]+)/i.exec(headers["content-type"] ?? "")?.[1];
    const written = /<meta[^>]+charset=["']?([\w-]+)/i.exec(
      Buffer.from(bytes.subarray(0, 2_048)).toString("latin1"),
    )?.[1];
    return new TextDecoder(named ?? written ?? "utf-8").decode(bytes);
  } catch {
    return null;
  }
}

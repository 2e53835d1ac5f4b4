/** Owns how the monitor behaves on other people's sites: robots.txt, turns, redirects. Judges no answer. */
import type { Clock } from "@master-orchestrator/sdk";
import { type Library, type Web, type WebAnswer, WebFailure } from "../library.ts";
import type { Gates } from "./gates.ts";
import { MAX_ROBOTS_BYTES, type Robots, type RobotsFile, robotsOf } from "./robots.ts";

const ROBOTS_REDIRECTS = 5;
const REDIRECTS = [301, 302, 303, 307, 308];

/** robots.txt keeps us out. */
export class Disallowed extends Error {
  override readonly name = "Disallowed";
  readonly url: string;

  constructor(url: string, reason: string) {
    super(reason);
    this.url = url;
  }
}

export interface Followed {
  answer: WebAnswer;
  /** Where the answer came from. */
  url: string;
  /** Addresses that were left, in order. */
  redirects: string[];
  /** The redirects go round, or on and on: `answer` is the last one of them. */
  endless: boolean;
}

export interface FollowOptions {
  method: "GET" | "HEAD";
  timeoutMs: number;
  maxBytes?: number;
  maxRedirects: number;
}

export interface Crawler {
  /** Requests, politely, and follows redirects. Rejects with Disallowed, WebFailure, or the signal's reason. */
  follow(url: string, options: FollowOptions): Promise<Followed>;
  /** Requests that were sent. */
  requests(): number;
}

export interface CrawlerParts {
  web: Web;
  library: Pick<Library, "robots" | "saveRobots">;
  gates: Gates;
  clock: Clock;
  delayMs: number;
  cacheMs: number;
  robotsTimeoutMs: number;
  signal: AbortSignal;
}

/** A crawler for one task. */
export function openCrawler(parts: CrawlerParts): Crawler {
  const { web, gates, signal, delayMs } = parts;
  const known = new Map<string, Promise<Robots>>();
  let sent = 0;

  const pass = (url: string, pauseMs: number, request: Omit<Parameters<Web>[1], "signal" | "pauseMs">) =>
    gates.pass(new URL(url).host, pauseMs, signal, () => {
      sent++;
      return web(url, { ...request, pauseMs, signal });
    });

  /** Kept for the task here, and for everybody in the store. */
  function robotsFor(origin: string): Promise<Robots> {
    let robots = known.get(origin);
    if (!robots) {
      robots = findRobots(origin);
      known.set(origin, robots);
    }
    return robots;
  }

  async function findRobots(origin: string): Promise<Robots> {
    const kept = await parts.library.robots(origin, parts.cacheMs);
    if (kept) return robotsOf(origin, kept);
    const file = await fetchRobots(origin);
    // What could not be had is asked for again.
    if (file.status !== null && file.status < 500) await parts.library.saveRobots(origin, file);
    return robotsOf(origin, file);
  }

  async function fetchRobots(origin: string): Promise<RobotsFile> {
    const request = { method: "GET", timeoutMs: parts.robotsTimeoutMs, maxBytes: MAX_ROBOTS_BYTES } as const;
    let url = `${origin}/robots.txt`;
    for (let hops = 0; ; hops++) {
      const answer = await pass(url, delayMs, request).catch((error: unknown) => {
        // A host that is not there has no page either; whoever asks learns that from its own request.
        if (error instanceof WebFailure && error.kind !== "unreachable" && error.kind !== "refused")
          return null;
        throw error;
      });
      const next = answer && hops < ROBOTS_REDIRECTS ? redirectOf(answer, url) : null;
      if (next === null) {
        const text = answer?.status === 200 ? answer.text : "";
        return { status: answer?.status ?? null, text, checkedAtMs: parts.clock.now() };
      }
      url = next;
    }
  }

  async function once(url: string, options: FollowOptions): Promise<WebAnswer> {
    const robots = await robotsFor(new URL(url).origin);
    if (!robots.allows(url)) throw new Disallowed(url, "robots.txt does not allow it, or cannot be read now");
    const { method, timeoutMs, maxBytes } = options;
    const pauseMs = Math.max(delayMs, robots.delaySeconds * 1000);
    return await pass(url, pauseMs, { method, timeoutMs, ...(maxBytes === undefined ? {} : { maxBytes }) });
  }

  return {
    requests: () => sent,
    async follow(start, options) {
      const redirects: string[] = [];
      let url = start;
      for (;;) {
        const answer = await once(url, options);
        const next = redirectOf(answer, url);
        if (next === null) return { answer, url, redirects, endless: false };
        redirects.push(url);
        if (redirects.includes(next) || redirects.length > options.maxRedirects) {
          return { answer, url, redirects, endless: true };
        }
        url = next;
      }
    },
  };
}

/** Where an answer leads on; null for an end. */
function redirectOf({ status, headers }: WebAnswer, url: string): string | null {
  if (!REDIRECTS.includes(status)) return null;
  const target = URL.parse(headers.location ?? "", url);
  if (!target || !headers.location || !/^https?:$/.test(target.protocol)) return null;
  target.hash = "";
  return target.href;
}

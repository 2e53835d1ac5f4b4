/** Owns what a robots.txt allows this monitor (RFC 9309). Fetches none. */
import robotsParser from "robots-parser";

/** The name under which the monitor obeys; it is also in the User-Agent of its requests. */
export const AGENT = "master-orchestrator";
/** RFC 9309 wants at least 500 KiB to be read. */
export const MAX_ROBOTS_BYTES = 512 * 1024;
const MAX_DELAY_SECONDS = 30;

export interface RobotsFile {
  /** Of the last answer; null when there was none. */
  status: number | null;
  text: string;
  checkedAtMs: number;
}

export interface Robots {
  allows(url: string): boolean;
  /** What the site asks for between two requests, at most 30 s; 0 when it asks for nothing. */
  delaySeconds: number;
}

/** The package is CommonJS, and its types say otherwise. */
const parseRobots = robotsParser as unknown as typeof robotsParser.default;

const ALL: Robots = { allows: () => true, delaySeconds: 0 };
const NONE: Robots = { allows: () => false, delaySeconds: 0 };

/** No file (4xx) allows everything; a file that cannot be had now (5xx, 429, silence) allows nothing. */
export function robotsOf(origin: string, { status, text }: RobotsFile): Robots {
  if (status === null || status >= 500 || status === 429) return NONE;
  if (status >= 300) return ALL;
  const rules = parseRobots(`${origin}/robots.txt`, text);
  const delay = Number(rules.getCrawlDelay(AGENT) ?? 0);
  return {
    allows: (url) => rules.isAllowed(url, AGENT) !== false,
    delaySeconds: Number.isFinite(delay) ? Math.min(MAX_DELAY_SECONDS, Math.max(0, delay)) : 0,
  };
}

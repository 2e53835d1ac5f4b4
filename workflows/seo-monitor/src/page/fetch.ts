/** Owns how a page is got: an own article as it is served, any other over the network. Judges nothing. */
import { TaskRefused } from "@master-orchestrator/sdk";
import { type ServedPage, WebFailure } from "../library.ts";
import { type Crawler, Disallowed } from "../links/crawler.ts";
import type { Settings } from "../settings.ts";
import { TooComplex } from "./dom.ts";
import { extractFacts } from "./extract.ts";
import type { Fetched, PageFacts } from "./facts.ts";

/** An own article's page. */
export function fetchedFrom({ url, status, headers, html }: ServedPage, atMs: number): Fetched {
  return {
    ...{ requestedUrl: url, url, status, redirects: [], atMs },
    bytes: Buffer.byteLength(html),
    robotsHeader: (headers["x-robots-tag"] ?? "").toLowerCase(),
    obstacle: null,
    facts: factsOf(html, url),
  };
}

/**
 * A page of the web. What search engines would stumble over is an obstacle, and part of the audit. Throws TaskRefused
 * for addresses that may not be called and for what is no HTML; anything else that went wrong may go well the next time.
 */
export async function fetchPage(
  requestedUrl: string,
  { crawler, settings, atMs }: { crawler: Crawler; settings: Settings; atMs: number },
): Promise<Fetched> {
  const nothing: Fetched = {
    ...{ requestedUrl, url: requestedUrl, status: null, redirects: [], bytes: 0, robotsHeader: "", atMs },
    ...{ obstacle: null, facts: null },
  };
  const maxBytes = settings.max_page_kb * 1000;
  try {
    const { page_timeout_seconds: seconds, max_redirects: maxRedirects } = settings;
    const options = { method: "GET", timeoutMs: seconds * 1000, maxBytes, maxRedirects } as const;
    const { answer, url, redirects, endless } = await crawler.follow(requestedUrl, options);
    const page = { ...nothing, url, redirects, status: answer.status, bytes: answer.bytes };
    if (endless) return { ...page, obstacle: "redirect_loop" };
    if (answer.status < 200 || answer.status > 299) return { ...page, obstacle: "status" };
    const type = answer.headers["content-type"] ?? "text/html";
    if (!/\b(?:text\/html|application\/xhtml\+xml)\b/i.test(type)) {
      throw new TaskRefused(`${url} is no page: its content type is ${type.slice(0, 100)}`);
    }
    const robotsHeader = (answer.headers["x-robots-tag"] ?? "").toLowerCase();
    return { ...page, robotsHeader, facts: factsOf(answer.text, url) };
  } catch (error) {
    if (error instanceof Disallowed) return { ...nothing, url: error.url, obstacle: "robots_disallowed" };
    if (!(error instanceof WebFailure)) throw error;
    if (error.kind === "too_large") return { ...nothing, bytes: maxBytes, obstacle: "too_large" };
    if (error.kind === "refused") throw new TaskRefused(error.message);
    throw error;
  }
}

function factsOf(html: string, url: string): PageFacts {
  try {
    return extractFacts(html, url);
  } catch (error) {
    if (error instanceof TooComplex) throw new TaskRefused(`${url} cannot be read: ${error.message}`);
    throw error;
  }
}

/** Owns the check of a page's links: own articles by their rows, others once a day over the network. Judges no page. */
import type { Clock } from "@master-orchestrator/sdk";
import { type Library, type Site, WebFailure } from "../library.ts";
import type { PageLink } from "../page/facts.ts";
import type { Settings } from "../settings.ts";
import { type Crawler, Disallowed, type Followed } from "./crawler.ts";
import { type LinkCheck, outcomeOfFailure, outcomeOfStatus } from "./verdict.ts";

const HOSTS_AT_ONCE = 6;

export interface LinkParts {
  library: Pick<Library, "knownSlugs" | "linkChecks" | "saveLinkChecks">;
  site: Pick<Site, "baseUrl">;
  crawler: Crawler;
  clock: Clock;
  settings: Settings;
  signal: AbortSignal;
}

export interface CheckedLinks {
  checks: LinkCheck[];
  /** Links of which nothing was found out: too many, or too little time. */
  unchecked: number;
}

/** What is known of the links of a page, each address once. */
export async function checkLinks(links: readonly PageLink[], parts: LinkParts): Promise<CheckedLinks> {
  const { settings, site, library } = parts;
  const all = [...new Set(links.map(({ url }) => url))];
  const { own, rest } = apart(all, site.baseUrl);
  const checks = await ownChecks(own, parts);
  const outside = settings.check_external_links ? rest : [];
  const kept = await library.linkChecks(outside, settings.link_cache_hours * 3_600_000);
  const known = new Set(kept.map(({ url }) => url));
  const asked = outside.filter((url) => !known.has(url));
  const fresh = await crawl(asked.slice(0, settings.max_links), parts);
  return {
    checks: [...checks, ...kept, ...fresh],
    unchecked: rest.length - kept.length - fresh.length,
  };
}

/** Addresses of the own site need no request: who asks is the one that would answer. */
function apart(urls: readonly string[], baseUrl: string): { own: Map<string, string>; rest: string[] } {
  const own = new Map<string, string>();
  const rest: string[] = [];
  const origin = URL.parse(baseUrl)?.origin;
  for (const url of urls) {
    const target = new URL(url);
    const slug = /^\/articles\/([^/]+)\/?$/.exec(target.pathname)?.[1];
    if (target.origin !== origin) rest.push(url);
    else if (slug !== undefined) own.set(url, slug);
    else if (target.pathname !== "/articles" && target.pathname !== "/") rest.push(url);
  }
  return { own, rest };
}

async function ownChecks(
  own: ReadonlyMap<string, string>,
  { library, clock }: LinkParts,
): Promise<LinkCheck[]> {
  if (own.size === 0) return [];
  const there = new Set(await library.knownSlugs([...new Set(own.values())]));
  return [...own].map(([url, slug]) => ({
    ...{ url, finalUrl: url, redirects: 0, checkedAtMs: clock.now() },
    ...(there.has(slug)
      ? { outcome: "ok", status: 200, detail: "" }
      : { outcome: "broken", status: 404, detail: "there is no such article" }),
  })) as LinkCheck[];
}

/** Host by host, so that none of them sees two of our requests at once; until the time is up. */
async function crawl(urls: readonly string[], parts: LinkParts): Promise<LinkCheck[]> {
  const { clock, settings, signal, library } = parts;
  const giveUpAt = clock.elapsed() + settings.links_within_seconds * 1000;
  const byHost = Map.groupBy(urls, (url) => new URL(url).host);
  const checks: LinkCheck[] = [];
  const hosts = byHost.values();
  const worker = async () => {
    for (const own of hosts) {
      for (const url of own) {
        if (signal.aborted || clock.elapsed() >= giveUpAt) return;
        checks.push(await checkLink(url, parts));
      }
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.min(HOSTS_AT_ONCE, byHost.size) }, worker));
  } finally {
    // What was found out is kept, also when this task has to begin anew.
    await library.saveLinkChecks(checks.filter(({ outcome }) => outcome !== "skipped"));
  }
  signal.throwIfAborted();
  return checks;
}

async function checkLink(url: string, { crawler, clock, settings, signal }: LinkParts): Promise<LinkCheck> {
  const about = { url, finalUrl: url, redirects: 0, status: null, checkedAtMs: clock.now() };
  const options = { timeoutMs: settings.link_timeout_seconds * 1000, maxRedirects: settings.max_redirects };
  try {
    const head = await crawler.follow(url, { ...options, method: "HEAD" }).catch((error: unknown) => {
      if (error instanceof WebFailure && (error.kind === "broken" || error.kind === "timeout")) return null;
      throw error;
    });
    // Many servers know no HEAD, or answer it otherwise: a bad word is asked for twice.
    const sound = head !== null && !head.endless && outcomeOfStatus(head.answer.status) === "ok";
    return {
      ...about,
      ...verdict(sound || head?.endless ? head : await crawler.follow(url, { ...options, method: "GET" })),
    };
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof Disallowed) return { ...about, outcome: "skipped", detail: error.message };
    if (!(error instanceof WebFailure)) throw error;
    return { ...about, outcome: outcomeOfFailure(error.kind), detail: error.message.slice(0, 300) };
  }
}

function verdict({ answer, url, redirects, endless }: Followed): Omit<LinkCheck, "url" | "checkedAtMs"> {
  const about = { status: answer.status, redirects: redirects.length, finalUrl: url };
  if (endless) return { ...about, outcome: "broken", detail: "its redirects go round, or on and on" };
  return { ...about, outcome: outcomeOfStatus(answer.status), detail: `status ${answer.status}` };
}

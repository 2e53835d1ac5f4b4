/** Rules about whether and under which address search engines show a page. */
import type { Fetched } from "../page/facts.ts";
import { type Finding, found, type Subject } from "./rule.ts";

const LARGE_BYTES = 500_000;
const VERY_LARGE_BYTES = 2_000_000;
const MANY_REDIRECTS = 3;

/** What keeps a page from being read at all; for such a page nothing else is known. */
export function obstacleOf({ obstacle, status, url, redirects, bytes }: Fetched): Finding[] {
  switch (obstacle) {
    case "robots_disallowed":
      return [found("robots_disallowed", `robots.txt of ${hostOf(url)} does not allow ${url}`, { url })];
    case "redirect_loop":
      return [
        found("redirect_loop", `redirects lead on and on: ${redirects.length} were followed`, { redirects }),
      ];
    case "too_large":
      return [found("too_large", "the page is larger than is read", { bytes })];
    case "status":
      return [found("status", `the page answers with status ${status}`, { status, url })];
    case null:
      return [];
  }
}

export function indexing({ fetched, facts, article, isPublic }: Subject): Finding[] {
  return [
    ...noindex(fetched.robotsHeader, facts.robotsMeta),
    ...redirects(fetched),
    ...canonical(fetched, facts.canonicals, article?.canonicalUrl ?? null),
    ...transport(fetched, article !== null && !isPublic),
    ...size(fetched.bytes),
  ];
}

function noindex(header: string, metas: readonly string[]): Finding[] {
  const says = (text: string) => /\b(?:noindex|none)\b/.test(text);
  // A directive may name one robot: "googlebot: noindex". Whoever it names, the page is missing somewhere.
  const where = [says(header) ? "X-Robots-Tag" : "", metas.some(says) ? "meta robots" : ""].filter(Boolean);
  if (where.length === 0) return [];
  return [found("noindex", `${where.join(" and ")} keep it out of search results`, { where })];
}

function redirects({ redirects, url }: Fetched): Finding[] {
  if (redirects.length === 0) return [];
  const count = redirects.length === 1 ? "one redirect" : `${redirects.length} redirects`;
  return [
    found(
      "redirects",
      `${count} lead to it`,
      { redirects, url },
      Math.min(1, redirects.length / MANY_REDIRECTS),
    ),
  ];
}

function canonical({ url }: Fetched, canonicals: readonly string[], wanted: string | null): Finding[] {
  const [first] = canonicals;
  if (first === undefined) return [found("canonical_missing", "no canonical address is named")];
  const distinct = new Set(canonicals);
  if (distinct.size > 1) {
    return [
      found("canonical_invalid", `${distinct.size} different canonical addresses are named`, {
        canonicals: [...distinct],
      }),
    ];
  }
  const target = URL.parse(first);
  if (!target || !/^https?:$/.test(target.protocol)) {
    return [
      found(
        "canonical_invalid",
        `"${first}" is no absolute web address`,
        { canonical: first },
        first === "" ? 1 : 0.5,
      ),
    ];
  }
  if (sameAddress(target.href, url)) return [];
  const why = wanted === null ? "" : ", as was decided";
  return [
    found("canonical_elsewhere", `its canonical address is ${target.href}${why}`, { canonical: target.href }),
  ];
}

/** Whether two addresses are one page: a slash at the end and a fragment make no other. */
export function sameAddress(a: string, b: string): boolean {
  const plain = (url: string) => url.replace(/#.*$/, "").replace(/\/+$/, "");
  return plain(a) === plain(b);
}

function transport({ url }: Fetched, ownMachine: boolean): Finding[] {
  if (ownMachine)
    return [
      found("not_public", `its address is ${new URL(url).origin}, since PUBLIC_URL is not set`, { url }),
    ];
  return url.startsWith("http:") ? [found("not_https", "it is served over http", { url })] : [];
}

function size(bytes: number): Finding[] {
  if (bytes <= LARGE_BYTES) return [];
  const kb = Math.round(bytes / 1000);
  return [found("page_size", `its HTML has ${kb} kB`, { bytes }, bytes > VERY_LARGE_BYTES ? 1 : 0.5)];
}

function hostOf(url: string): string {
  return URL.parse(url)?.host ?? url;
}

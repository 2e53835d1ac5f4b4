/** Advises on JSON-LD and the canonical address of an own article. */
import type { Json } from "../page/facts.ts";
import type { Finding, Subject } from "../rules/rule.ts";
import { duplicatesOf } from "../rules/uniqueness.ts";
import { type Advice, BY_RULE } from "./advice.ts";

/** What is missing and known: written into the article's own JSON-LD. */
export function jsonLdAdvice(subject: Subject, findings: readonly Finding[]): Advice[] {
  const { article } = subject;
  if (!article) return [];
  return findings.flatMap((finding): Advice[] => {
    if (finding.rule !== "json_ld_required" && finding.rule !== "json_ld_recommended") return [];
    const missing = (finding.evidence.missing as string[]).map((name) => name.replace(/^[A-Za-z]+\./, ""));
    const known = missing.flatMap((name) => {
      const value = knownValue(name, subject);
      return value === null
        ? []
        : [{ field: "json_ld" as const, name, before: article.jsonLd[name] ?? null, after: value }];
    });
    const detail =
      known.length > 0 ? `Add ${known.map(({ name }) => name).join(", ")}` : `Add ${missing.join(", ")}`;
    return [
      { rules: [finding.rule], detail, changes: known, basis: BY_RULE, share: known.length / missing.length },
    ];
  });
}

function knownValue(name: string, { article, facts, fetched, isPublic, settings }: Subject): Json {
  if (!article) return null;
  const publisher = settings.publisher ?? (isPublic ? new URL(fetched.url).host : null);
  const organization: Json = publisher === null ? null : { "@type": "Organization", name: publisher };
  if (name === "publisher") return organization;
  if (name === "author")
    return article.author === null ? organization : { "@type": "Person", name: article.author };
  if (name === "headline") return article.title.slice(0, 110);
  if (name === "image") return facts.images.find(({ src }) => /^https?:/.test(src))?.src ?? null;
  return null;
}

/** From this similarity on two articles are one. */
const THE_SAME_FROM = 0.8;

/** The younger of two articles that are the same names the older one as canonical. */
export function canonicalAdvice(
  { article, prints, neighbours }: Subject,
  broken: ReadonlySet<string>,
): Advice[] {
  if (!article || !broken.has("body_duplicate")) return [];
  const older = duplicatesOf(prints, neighbours)
    .filter(
      ({ neighbour, similarity }) =>
        similarity >= THE_SAME_FROM && neighbour.publishedAt < article.publishedAt,
    )
    .sort((a, b) => a.neighbour.publishedAt - b.neighbour.publishedAt)[0];
  if (!older) return [];
  const path = `/articles/${older.neighbour.slug}`;
  const changes = [{ field: "canonical_url" as const, before: article.canonicalUrl, after: path }];
  const rules = (
    ["body_duplicate", "title_duplicate", "description_duplicate", "cannibalisation"] as const
  ).filter((rule) => broken.has(rule));
  return [{ rules, detail: `Name ${path}, which is older, as canonical`, changes, basis: BY_RULE, share: 1 }];
}

/** Gathers what a page's rules look at: its own words, its neighbours in the corpus, what it could link to. Judges nothing. */
import { descriptionOf } from "./advice/advice.ts";
import { printsOf } from "./language/prints.ts";
import type { Library, OwnArticle, Site } from "./library.ts";
import type { CheckedLinks } from "./links/check.ts";
import type { Fetched, Json, PageFacts } from "./page/facts.ts";
import type { Subject } from "./rules/rule.ts";
import { ARTICLE_TYPES } from "./rules/schema-org.ts";
import { nodesOf, typesOf } from "./rules/structured-data.ts";
import type { Settings } from "./settings.ts";

const MAX_TARGETS = 10;

interface Found {
  article: OwnArticle | null;
  keywords: string[] | null;
  contentType: string;
}

export async function subjectOf(
  found: Found,
  fetched: Fetched,
  facts: PageFacts,
  links: CheckedLinks,
  settings: Settings,
  { library, site }: { library: Pick<Library, "similar" | "related">; site: Site },
): Promise<Subject> {
  const { article } = found;
  const language = article?.language ?? facts.language ?? "en";
  const keywords = article?.keywords ?? found.keywords ?? ownKeywords(facts);
  const description = article ? descriptionOf(article) : (facts.descriptions[0] ?? "");
  const title = article?.title ?? facts.titles[0] ?? "";
  const prints = printsOf({ title, description, keywords, language, text: facts.text });
  const articleId = article?.articleId ?? null;
  const [neighbours, related] = await Promise.all([
    library.similar({ articleId, prints }),
    article ? library.related(article.articleId, MAX_TARGETS) : [],
  ]);
  const linked = new Set(facts.links.filter(({ inText }) => inText).map(({ url }) => url));
  const dates = datesOf(facts);
  return {
    ...{ fetched, facts, article, keywords, language, contentType: found.contentType },
    publishedAtMs: article?.publishedAt ?? dates.published,
    updatedAtMs: article?.updatedAt ?? dates.modified,
    isPublic: site.isPublic,
    ...{ prints, neighbours, settings, checks: links.checks, unchecked: links.unchecked },
    targets: related.filter(
      ({ slug }) => !linked.has(`${site.baseUrl}/articles/${encodeURIComponent(slug)}`),
    ),
  };
}

/** What a page of the web says that it is about. */
function ownKeywords(facts: PageFacts): string[] {
  if (facts.metaKeywords.length > 0) return facts.metaKeywords;
  const stated = mainNode(facts)?.keywords;
  const list = Array.isArray(stated) ? stated : typeof stated === "string" ? stated.split(",") : [];
  return list
    .flatMap((one) => (typeof one === "string" && one.trim() !== "" ? [one.trim().slice(0, 200)] : []))
    .slice(0, 50);
}

function datesOf(facts: PageFacts): { published: number | null; modified: number | null } {
  const node = mainNode(facts);
  const first = (...values: (Json | undefined)[]) => {
    const times = values.flatMap((value) => (typeof value === "string" ? [Date.parse(value)] : []));
    return times.find((ms) => !Number.isNaN(ms)) ?? null;
  };
  return {
    published: first(node?.datePublished, facts.published),
    modified: first(node?.dateModified, facts.modified),
  };
}

function mainNode(facts: PageFacts): { [name: string]: Json } | undefined {
  const nodes = nodesOf(facts.jsonLd);
  return nodes.find((node) => typesOf(node).some((type) => ARTICLE_TYPES.includes(type))) ?? nodes[0];
}

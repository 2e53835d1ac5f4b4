/** Owns where an article goes: our own site first, then each publisher, each for itself. Knows no publisher from the inside. */
import type { TaskContext } from "@master-orchestrator/sdk";
import type { Library, NewArticle, Published, PublisherRow } from "../library.ts";
import { publishAsMarkdown, tryMarkdown } from "./markdown-file.ts";
import type { Placed, Posting, Publish, PublisherParts } from "./publisher.ts";
import { publishByWebhook, tryWebhook } from "./webhook.ts";
import { publishToWordPress, tryWordPress } from "./wordpress.ts";

/** Our own site: it keeps every article, whoever else shows it. */
export const OWN_SITE = "site";

const PUBLISH: Readonly<Record<PublisherRow["kind"], Publish>> = {
  wordpress: publishToWordPress,
  webhook: publishByWebhook,
  markdown: publishAsMarkdown,
};

export interface PublishingParts extends PublisherParts {
  library: Library;
  /** Base of absolute article addresses, e.g. `https://news.example`; without it they are paths. */
  publicUrl?: string | undefined;
}

export interface PublishedEverywhere {
  slug: string;
  /** Where readers find it. */
  articleUrl: string;
  /** Addresses at other publishers, by their names; null where a publisher gives none. */
  elsewhere: Record<string, string | null>;
}

/**
 * Publishes to our own site, then to each publisher in a step of its own: what has been published is
 * not published again by a later attempt. When one fails the others still get their turn; then the
 * task fails with every failure named, and the next attempt tries only those.
 */
export async function publishEverywhere(
  article: NewArticle,
  names: readonly string[],
  context: TaskContext,
  parts: PublishingParts,
): Promise<PublishedEverywhere> {
  const { library } = parts;
  const published = await context.step("publish", async () => {
    context.signal.throwIfAborted();
    return await library.publish(article);
  });
  const ownUrl = `${(parts.publicUrl ?? "").replace(/\/+$/, "")}/articles/${published.slug}`;
  const elsewhere: Record<string, string | null> = {};
  const failures: string[] = [];
  const others = names.filter((name) => name !== OWN_SITE);
  let canonical: string | null = null;
  for (const name of others) {
    try {
      const wanted: boolean = !names.includes(OWN_SITE) && canonical === null;
      const placed: Placed = await context.step(`publish:${name}`, () =>
        publishTo(name, { article, published, ownUrl, canonical: wanted }, context, parts),
      );
      elsewhere[name] = placed.url;
      if (wanted) canonical = placed.url;
    } catch (error) {
      context.signal.throwIfAborted();
      const why = error instanceof Error ? error.message : String(error);
      failures.push(`${name}: ${why}`);
      await library.misplaced(published.articleId, name, why);
    }
  }
  if (failures.length > 0) {
    const error = `published as ${published.slug}, but not everywhere: ${failures.join("; ")}`;
    throw new Error(error);
  }
  return { slug: published.slug, articleUrl: canonical ?? ownUrl, elsewhere };
}

async function publishTo(
  name: string,
  of: { article: NewArticle; published: Published; ownUrl: string; canonical: boolean },
  context: TaskContext,
  parts: PublishingParts,
): Promise<Placed> {
  const { library } = parts;
  const { article, published, ownUrl } = of;
  const [publisher] = await library.publishers([name]);
  if (!publisher)
    throw new Error("there is no such publisher; PUT /api/v1/content/publishers/{name} makes one");
  if (!publisher.enabled) throw new Error("it is switched off");
  const known =
    (await library.publications(published.articleId)).find((each) => each.publisher === name) ?? null;
  const { slug, publishedAt, updatedAt } = published;
  const posting: Posting = { article, slug, articleUrl: ownUrl, publishedAt, updatedAt, known };
  const placed = await PUBLISH[publisher.kind](publisher, posting, parts, context.signal);
  await library.placed(published.articleId, { publisher: name, ...placed, canonical: of.canonical });
  context.log("published elsewhere", { publisher: name, url: placed.url });
  return placed;
}

/** Whether a publisher can be reached and written to, in words. Throws what is wrong. */
export async function tryPublisher(
  publisher: PublisherRow,
  parts: PublisherParts,
  signal: AbortSignal,
): Promise<string> {
  if (publisher.kind === "wordpress") return await tryWordPress(publisher, parts, signal);
  if (publisher.kind === "webhook") return await tryWebhook(publisher, parts, signal);
  return await tryMarkdown(publisher, parts);
}

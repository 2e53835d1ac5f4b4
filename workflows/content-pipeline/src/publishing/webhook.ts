/** Owns publishing by a signed webhook (Standard Webhooks): the whole article as JSON, at least once, under an id that drops repeats. */
import { createHash } from "node:crypto";
import type { PublisherRow } from "../library.ts";
import { jsonOf, outgoingOf, type Placed, type Posting, type PublisherParts } from "./publisher.ts";

/** As the API has checked them. */
export interface WebhookSettings {
  url: string;
}

/** The same article in the same words has the same id however often it is sent; its next version has another. */
export async function publishByWebhook(
  publisher: PublisherRow,
  posting: Posting,
  parts: PublisherParts,
  signal: AbortSignal,
): Promise<Placed> {
  const { article, slug, articleUrl, publishedAt, updatedAt } = posting;
  const data = {
    task_id: article.taskId,
    slug,
    article_url: articleUrl,
    title: article.title,
    summary: article.summary,
    html: article.html,
    markdown: article.markdown,
    language: article.language,
    author: article.author,
    content_type: article.contentType,
    keywords: article.keywords,
    generator: article.generator,
    quality: article.quality.score,
    words: article.words,
    sources: article.sources,
    json_ld: article.jsonLd,
    published_at: new Date(publishedAt).toISOString(),
  };
  const version = createHash("sha256").update(JSON.stringify(data)).digest("hex").slice(0, 16);
  const body = JSON.stringify({
    type: "article.published",
    timestamp: new Date(updatedAt).toISOString(),
    data,
  });
  const json = await send(publisher, `article_${article.taskId}_${version}`, body, parts, signal);
  const { id, url } = (json ?? {}) as { id?: unknown; url?: unknown };
  return {
    externalId: typeof id === "string" || typeof id === "number" ? String(id).slice(0, 200) : null,
    url: typeof url === "string" && /^https?:\/\//.test(url) && url.length <= 2_000 ? url : null,
  };
}

/** Sends a message that asks for nothing, as a receiver may want to see one. */
export async function tryWebhook(
  publisher: PublisherRow,
  parts: PublisherParts,
  signal: AbortSignal,
): Promise<string> {
  const body = JSON.stringify({ type: "publisher.test", data: { publisher: publisher.name } });
  const id = `test_${createHash("sha256").update(`${publisher.name}:${Date.now()}`).digest("hex").slice(0, 16)}`;
  await send(publisher, id, body, parts, signal);
  return "it took a message of the type publisher.test";
}

async function send(
  publisher: PublisherRow,
  id: string,
  body: string,
  parts: PublisherParts,
  signal: AbortSignal,
): Promise<unknown> {
  const { url } = publisher.settings as unknown as WebhookSettings;
  const outgoing = outgoingOf(parts);
  const signed = publisher.secret === null ? { "webhook-id": id } : outgoing.sign(publisher.secret, id, body);
  const answer = await outgoing.post(url, {
    headers: { ...signed, "content-type": "application/json" },
    body,
    signal,
  });
  if (answer.status >= 200 && answer.status < 300) return jsonOf(answer.body);
  throw new Error(`${new URL(url).host} answered HTTP ${answer.status}`);
}

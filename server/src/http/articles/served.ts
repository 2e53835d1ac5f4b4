/** Owns what a reader of an article is sent: the one answer that the route gives and the audit reads. Writes nothing. */
import { articleBySlug, relatedArticles } from "#store/content.ts";
import type { Queryable } from "#store/database.ts";
import type { Answer } from "../route.ts";
import { ARTICLE_CSP, articlePage } from "./page.ts";

const RELATED = 3;

/** The page of the article at `slug`, with its headers; null without one. `baseUrl` as `https://news.example`. */
export async function servedArticle(db: Queryable, slug: string, baseUrl: string): Promise<SentPage | null> {
  const article = await articleBySlug(db, slug);
  if (!article) return null;
  const related = await relatedArticles(db, article.articleId, RELATED);
  return page(articlePage(article, { related, baseUrl }));
}

/** A page as it is sent. */
export interface SentPage extends Answer {
  body: string;
  headers: Record<string, string>;
}

export function page(html: string): SentPage {
  return {
    status: 200,
    body: html,
    headers: {
      "content-type": "text/html; charset=utf-8",
      "content-security-policy": ARTICLE_CSP,
      vary: "accept",
    },
  };
}

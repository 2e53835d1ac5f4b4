/** The published articles over HTTP: pages for people, a list for programs. Writes nothing. */
import { NextCursor, PageQuery, Problem, Slug, Timestamp, Uuid } from "@master-orchestrator/contract";
import { z } from "zod";
import { categoryPath } from "#store/categories.ts";
import { type ArticleSummary, listArticles } from "#store/content.ts";
import type { Queryable } from "#store/database.ts";
import { articleIndexPage } from "../articles/page.ts";
import { page, servedArticle } from "../articles/served.ts";
import { time } from "../present.ts";
import { defineRoute, type Route } from "../route.ts";

const PAGE = { description: "A page", contentType: "text/html" };
const TAG = "Articles";

const ArticleList = z
  .object({
    articles: z.array(
      z.object({
        slug: z.string(),
        article_url: z.url(),
        title: z.string(),
        summary: z.string(),
        content_type: z.string(),
        generator: z.string(),
        words: z.int(),
        quality: z.number().nullable(),
        published_at: Timestamp,
        task_id: Uuid.nullable().meta({ description: "Null: imported" }),
        source: z.string(),
        category: z.string().nullable(),
      }),
    ),
    next_cursor: NextCursor,
  })
  .meta({ id: "ArticleList" });

export function articleRoutes({ db }: { db: Queryable }): Route[] {
  return [
    defineRoute({
      method: "GET",
      path: "/",
      summary: "Leads to the articles",
      tag: TAG,
      access: "public",
      answers: { 302: PAGE },
      handle: async () => ({ status: 302, headers: { location: "/articles" } }),
    }),
    defineRoute({
      method: "GET",
      path: "/articles",
      summary: "The published articles, newest first: JSON, or a page for whoever accepts text/html",
      tag: TAG,
      access: "public",
      query: PageQuery,
      answers: { 200: ArticleList },
      async handle({ query, headers, url }) {
        const cursor = query.cursor ?? null;
        const { articles, nextCursor } = await listArticles(db, { limit: query.limit, cursor });
        if (headers.get("accept")?.includes("text/html")) {
          return page(articleIndexPage(articles, { nextCursor, cursor, baseUrl: url.origin }));
        }
        return {
          status: 200,
          headers: { vary: "accept" },
          body: { articles: articles.map((article) => listed(article, url.origin)), next_cursor: nextCursor },
        };
      },
    }),
    defineRoute({
      method: "GET",
      path: "/articles/category/:category",
      summary: "The articles of a category and of those below it, newest first: JSON, or a page",
      tag: TAG,
      access: "public",
      params: z.strictObject({ category: Slug }),
      query: PageQuery,
      answers: { 200: ArticleList },
      async handle({ params: { category }, query, headers, url }) {
        const path = await categoryPath(db, category);
        if (path.length === 0) {
          const hint = "GET /api/v1/content/categories lists them.";
          throw new Problem("not_found", `there is no category "${category}"`, hint);
        }
        const cursor = query.cursor ?? null;
        const { articles, nextCursor } = await listArticles(db, { limit: query.limit, cursor, category });
        if (headers.get("accept")?.includes("text/html")) {
          const shown = { nextCursor, cursor, baseUrl: url.origin, category: path };
          return page(articleIndexPage(articles, shown));
        }
        return {
          status: 200,
          headers: { vary: "accept" },
          body: { articles: articles.map((article) => listed(article, url.origin)), next_cursor: nextCursor },
        };
      },
    }),
    defineRoute({
      method: "GET",
      path: "/articles/:slug",
      summary: "Read an article",
      tag: TAG,
      access: "public",
      params: z.strictObject({ slug: z.string().min(1).max(300) }),
      answers: { 200: PAGE },
      async handle({ params, url }) {
        const served = await servedArticle(db, params.slug, url.origin);
        if (!served) {
          throw new Problem(
            "not_found",
            `there is no article "${params.slug}"`,
            "See /articles for all of them.",
          );
        }
        return served;
      },
    }),
  ];
}

function listed(article: ArticleSummary, origin: string) {
  return {
    slug: article.slug,
    article_url: `${origin}/articles/${encodeURIComponent(article.slug)}`,
    title: article.title,
    summary: article.summary,
    content_type: article.contentType,
    generator: article.generator,
    words: article.words,
    quality: article.qualityScore,
    published_at: time(article.publishedAt),
    task_id: article.taskId,
    source: article.source,
    category: article.category?.slug ?? null,
  };
}

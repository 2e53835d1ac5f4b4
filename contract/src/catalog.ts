/** What articles are sorted and linked by, and articles that were written elsewhere: categories, entities, articles, as imported and listed. */
import { z } from "zod";
import { ContentType, NextCursor, PageQuery, Timestamp } from "./primitives.ts";
import { MAX_ROWS_PER_IMPORT, Source } from "./readership.ts";

/** An article may be long, and a request has 1.5 MB. */
export const MAX_ARTICLES_PER_IMPORT = 50;

export const Slug = z
  .string()
  .max(100)
  .regex(/^[a-z0-9]+(-[a-z0-9]+)*$/, "must be lower case letters, digits and single hyphens")
  .meta({ example: "energy" });
const Name = z.string().trim().min(1).max(300);

const CategoryRow = z.strictObject({
  slug: Slug.meta({ description: "The category is known by it" }),
  name: Name,
  parent: Slug.optional().meta({ description: "The slug of the category that it lies in" }),
  description: z.string().trim().max(2_000).default(""),
});
export type CategoryRow = z.output<typeof CategoryRow>;

const EntityRow = z.strictObject({
  name: Name.meta({ description: "The name it is shown by", example: "World Health Organization" }),
  aliases: z
    .array(Name)
    .max(50)
    .default([])
    .meta({ description: "Other names of the same", example: ["WHO"] }),
});
export type ImportedEntity = z.output<typeof EntityRow>;

const ArticleRow = z
  .strictObject({
    id: z.string().min(1).max(500).optional().meta({
      description: "Its id in its source; without one it is known by its slug, else by its title",
    }),
    title: Name,
    slug: Slug.optional().meta({ description: "The last part of its address here; else made of its title" }),
    summary: z.string().trim().max(1_000).optional(),
    html: z
      .string()
      .max(1_000_000)
      .optional()
      .meta({ description: "Sanitised: text and its structure stay" }),
    markdown: z.string().max(1_000_000).optional(),
    language: z
      .string()
      .regex(/^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$/, "must be a language tag such as en or pt-BR")
      .default("en"),
    author: z.string().trim().min(1).max(200).optional(),
    content_type: ContentType.default("default"),
    category: Slug.optional().meta({ description: "A category that is there" }),
    keywords: z.array(z.string().trim().min(1).max(200)).max(50).default([]),
    entities: z.array(Name).max(50).default([]).meta({ description: "Names that it speaks of" }),
    published_at: z.union([z.iso.date(), Timestamp]).optional(),
    canonical_url: z
      .url({ protocol: /^https?$/ })
      .max(2_000)
      .optional()
      .meta({
        description: "Where search engines are sent, if that is not the page here",
      }),
  })
  .refine(({ html, markdown }) => (html === undefined) !== (markdown === undefined), {
    message: "needs either html or markdown",
  });
export type ImportedArticle = z.output<typeof ArticleRow>;

/** What of the library can be imported, and the rows of each. */
export const CATALOG = { categories: CategoryRow, entities: EntityRow, articles: ArticleRow } as const;
export type CatalogKind = keyof typeof CATALOG;

const rows = <S extends z.ZodType>(row: S, most: number) => z.array(row).min(1).max(most);
export const CategoriesBody = z.strictObject({ categories: rows(CategoryRow, MAX_ROWS_PER_IMPORT) });
export const EntitiesBody = z.strictObject({ entities: rows(EntityRow, MAX_ROWS_PER_IMPORT) });
export const ArticlesBody = z.strictObject({
  source: Source,
  articles: rows(ArticleRow, MAX_ARTICLES_PER_IMPORT),
});

const Noted = z.object({ index: z.int(), message: z.string() });
export const CatalogAnswer = z
  .object({
    added: z.int(),
    replaced: z.int(),
    unchanged: z.int(),
    refused: z.array(Noted).meta({ description: "Rows that were left out, by their place in the request" }),
    remarks: z.array(Noted).meta({ description: "What of a row was left out" }),
  })
  .meta({ id: "CatalogAnswer" });
export type CatalogAnswer = z.infer<typeof CatalogAnswer>;

export const Category = z
  .object({
    slug: z.string(),
    name: z.string(),
    description: z.string(),
    parent: z.string().nullable(),
    articles: z.int().meta({ description: "In it alone, without the categories below" }),
    url: z.url(),
  })
  .meta({ id: "Category" });
export const CategoryListQuery = PageQuery;
export const CategoryList = z
  .object({ categories: z.array(Category), next_cursor: NextCursor })
  .meta({ id: "CategoryList" });

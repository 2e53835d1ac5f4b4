/** Owns the seam between the pipeline and what is already published: the server implements it. Knows no SQL. */
import type { QualityScore } from "./article/quality-score.ts";

/** An entity that the library knows, with every name it goes by. */
export interface KnownEntity {
  entityId: string;
  /** The name it is shown by. */
  name: string;
  /** Every alias in normalised form, its own name included. */
  aliases: string[];
}

/** An entity that a name may mean. */
export interface Lookalike {
  entityId: string;
  name: string;
  /** 0–1, to its nearest alias. */
  similarity: number;
}

export interface NewArticle {
  taskId: string;
  executionId: string;
  /** The slug to take if it is free; another task's article with it makes this one `-2`, `-3`, … */
  slug: string;
  title: string;
  summary: string;
  /** Sanitised: what a reader's browser gets. */
  html: string;
  markdown: string;
  language: string;
  author: string | null;
  contentType: string;
  keywords: string[];
  generator: string;
  quality: QualityScore;
  words: number;
  /** What it was written from, without the texts. */
  sources: ArticleSource[];
  jsonLd: Record<string, unknown>;
  entityIds: string[];
  /** The slug of its category; null for none. */
  category: string | null;
  /** Normalised names that wait for a person; linked once decided. */
  unresolved: string[];
}

export interface ArticleSource {
  title: string;
  url: string | null;
  /** False: only its address was given, and nothing was read. */
  read: boolean;
  /** Why its address could not be read, if that was tried. */
  note: string | null;
}

export interface Published {
  articleId: string;
  slug: string;
  /** False: this task had published before; its article was brought up to date and kept its slug. */
  created: boolean;
  /** Epoch milliseconds. */
  publishedAt: number;
  updatedAt: number;
}

/** What a publisher is, with its secret: for the pipeline's eyes only. */
export interface PublisherRow {
  name: string;
  kind: "wordpress" | "webhook" | "markdown";
  settings: Record<string, unknown>;
  secret: string | null;
  enabled: boolean;
}

/** What became of an article at one publisher. */
export interface Publication {
  publisher: string;
  /** The other side's own name for it. */
  externalId: string | null;
  url: string | null;
}

/**
 * What the pipeline asks of the store. Every method may be called again with the same arguments and
 * by several runs at once without making a second row; each rejects when the store is unreachable.
 */
export interface Library {
  /** Resolves if the store answers. */
  ready(): Promise<void>;
  /** The entities with an alias that shares a matching key with any of `keys` or resembles one of `names`; the likeliest first. */
  entitiesLike(keys: string[], names: string[]): Promise<KnownEntity[]>;
  /**
   * Adds entities under their normalised names and returns what was added; one whose alias is taken is left
   * out. When there are entities that one of them might be that are not among `seen`, adds nothing and
   * returns those.
   */
  addEntities(
    entities: { name: string; alias: string; keys: string[] }[],
    seen: string[],
  ): Promise<{ added: { entityId: string; name: string; alias: string }[] } | { appeared: KnownEntity[] }>;
  /** Adds an alias; when it is taken, its owner stays and is returned. */
  addAlias(alias: {
    entityId: string;
    alias: string;
    keys: string[];
  }): Promise<{ entityId: string; name: string }>;
  /** Lays a name before a person; where one has decided already, the entity that it means. */
  askAboutName(question: {
    name: string;
    alias: string;
    keys: string[];
    lookalikes: Lookalike[];
    why: string;
    taskId: string;
  }): Promise<{ entityId: string; name: string } | null>;
  /**
   * The published article that says most of the same as `html`, the task's own left out; null where none does, undefined for a
   * text too short to tell. `likeness`: shared runs of words over all runs of both, 0–1.
   */
  nearestTo(
    html: string,
    taskId: string,
    signal: AbortSignal,
  ): Promise<{ slug: string; likeness: number } | null | undefined>;
  /** Those of `slugs` at which a category stands. */
  categories(slugs: string[]): Promise<string[]>;
  /** The category of most articles that share these entities; null unless there are two such at the least. */
  categoryByEntities(entityIds: string[]): Promise<string | null>;
  publish(article: NewArticle): Promise<Published>;
  /** Keeps an article that a person has to approve; one about which a person has decided stays as it is. */
  submit(article: NewArticle, reasons: string[], publishers: string[]): Promise<{ reviewId: string }>;
  /** An approved article with the publishers that it was meant for; null where there is none, or nobody has approved it. */
  approved(reviewId: string): Promise<{ article: NewArticle; publishers: string[] } | null>;
  publishers(names: string[]): Promise<PublisherRow[]>;
  /** What is known of an article at its publishers. */
  publications(articleId: string): Promise<Publication[]>;
  /** Records what a publisher did; `canonical`: readers and search engines are to find it there. */
  placed(articleId: string, publication: Publication & { canonical: boolean }): Promise<void>;
  /** Records why a publisher did not. */
  misplaced(articleId: string, publisher: string, error: string): Promise<void>;
}

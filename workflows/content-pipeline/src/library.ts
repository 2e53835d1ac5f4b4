/** Owns the seam between the pipeline and what is already published: the server implements it. Knows no SQL. */

/** 0–100 each; null where it cannot be measured, and then it does not count. */
export interface QualityScore {
  /** The weighted mean of the parts that could be measured, 0–100, a whole number. */
  score: number;
  parts: {
    /** Share of the keywords, or else of the title's and brief's words, that the article speaks of. */
    coverage: number | null;
    /** Share of the article's sentences that are traceable to the brief or a source. */
    support: number;
    /** Headings, paragraphs and sections of a readable size. */
    structure: number;
    /** From Flesch's reading ease; only for English. */
    readability: number | null;
    /** Against the length that the material allows. */
    length: number;
  };
  fleschReadingEase: number | null;
}

/** An entity that the library knows, with every name it goes by. */
export interface KnownEntity {
  entityId: string;
  /** The name it is shown by. */
  name: string;
  /** Every alias in normalised form, its own name included. */
  aliases: string[];
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
}

export interface ArticleSource {
  title: string;
  url: string | null;
  /** False: only its address was given, and nothing was read. */
  read: boolean;
}

export interface Published {
  articleId: string;
  slug: string;
  /** False: this task had published before; its article was brought up to date and kept its slug. */
  created: boolean;
}

/**
 * What the pipeline asks of the store. Every method may be called again with the same arguments and
 * by several runs at once without making a second row; each rejects when the store is unreachable.
 */
export interface Library {
  /** The entities with an alias that shares a matching key with any of `keys`; the likeliest first. */
  entitiesLike(keys: string[]): Promise<KnownEntity[]>;
  /** Adds an entity under its normalised name; when that alias is taken, returns its owner instead. */
  addEntity(entity: {
    name: string;
    alias: string;
    keys: string[];
  }): Promise<{ entityId: string; name: string; created: boolean }>;
  /** Adds an alias; when it is taken, its owner stays and is returned. */
  addAlias(alias: {
    entityId: string;
    alias: string;
    keys: string[];
  }): Promise<{ entityId: string; name: string }>;
  publish(article: NewArticle): Promise<Published>;
}

/** Owns the seams between the monitor and what it audits: the server implements them. Knows no SQL and no socket. */

import type { Prints } from "./language/prints.ts";
import type { RobotsFile } from "./links/robots.ts";
import type { LinkCheck } from "./links/verdict.ts";
import type { Json } from "./page/facts.ts";
import type { Finding } from "./rules/rule.ts";
import type { Parts } from "./score.ts";

/** An own article, as far as an audit needs it. Instants are epoch milliseconds. */
export interface OwnArticle {
  articleId: string;
  slug: string;
  title: string;
  summary: string;
  /** The sanitised body. */
  html: string;
  markdown: string;
  language: string;
  author: string | null;
  contentType: string;
  /** The first one is the main one. */
  keywords: string[];
  jsonLd: Record<string, Json>;
  /** Where search engines are sent instead; null for the article's own address. */
  canonicalUrl: string | null;
  publishedAt: number;
  updatedAt: number;
}

/** An own article's page, as readers get it. */
export interface ServedPage {
  url: string;
  status: number;
  headers: Record<string, string>;
  html: string;
}

/** Another own article that shares something with the audited page. */
export interface Neighbour {
  articleId: string;
  slug: string;
  title: string;
  publishedAt: number;
  prints: Prints;
}

/** An own article that could be linked to. */
export interface LinkTarget {
  slug: string;
  title: string;
  keywords: string[];
}

/** One wanted change, with its expected effect. `changes` is empty for what only a person can do. */
export interface Recommendation {
  rule: string;
  title: string;
  detail: string;
  /** Points of the score that it would bring. */
  gain: number;
  changes: Change[];
  /** Who thought of it: `rule`, or provider and model. */
  basis: string;
}

/** A change to an own article, with what has to be there before: what was changed meanwhile is not overwritten. */
export type Change =
  | { field: "title" | "description"; before: string; after: string }
  | { field: "canonical_url"; before: string | null; after: string | null }
  | { field: "json_ld"; name: string; before: Json; after: Json }
  | { field: "html" | "markdown"; find: string; replace: string };

export interface NewAudit {
  taskId: string;
  executionId: string;
  /** Null for a page that is no own article. */
  articleId: string | null;
  url: string;
  /** 0–100. */
  score: number;
  parts: Parts;
  findings: Finding[];
  /** What was measured, for people and charts. */
  measures: Record<string, Json>;
  recommendations: Recommendation[];
  /** After so many days the article is due again. */
  dueAgainDays: number;
}

export interface SavedAudit {
  auditId: string;
  /** False: this task's audit was there already, and stays. */
  created: boolean;
  /** Of the audit before; null without one. */
  previousScore: number | null;
}

/** What the near and the like of a page are looked up by. */
export interface SimilarTo {
  articleId: string | null;
  prints: Prints;
}

/**
 * What the monitor asks of the store. Every method may be called again with the same arguments and by
 * several runs at once without making a second row; each rejects when the store is unreachable.
 */
export interface Library {
  article(by: { slug: string } | { articleId: string } | { taskId: string }): Promise<OwnArticle | null>;
  /** Own articles on the same subjects, the nearest first, but for itself. */
  related(articleId: string, limit: number): Promise<LinkTarget[]>;
  /** Those of `slugs` at which an article stands. */
  knownSlugs(slugs: string[]): Promise<string[]>;
  /** Own articles that may be near-duplicates or rivals; a few dozen at the most. */
  similar(to: SimilarTo): Promise<Neighbour[]>;
  /** Articles whose prints are missing or older than their text. */
  unprinted(limit: number): Promise<OwnArticle[]>;
  savePrints(prints: { articleId: string; updatedAt: number; prints: Prints }[]): Promise<void>;
  /** Takes articles that are due for an audit, the longest due first: they are not due again for a day. Their ids. */
  takeDue(limit: number): Promise<string[]>;
  /** Checks of these addresses that are younger than `maxAgeMs`. */
  linkChecks(urls: string[], maxAgeMs: number): Promise<LinkCheck[]>;
  saveLinkChecks(checks: LinkCheck[]): Promise<void>;
  robots(origin: string, maxAgeMs: number): Promise<RobotsFile | null>;
  saveRobots(origin: string, file: RobotsFile): Promise<void>;
  save(audit: NewAudit): Promise<SavedAudit>;
}

/** The own site, as it is served. */
export interface Site {
  /** Such as `https://news.example`, without a slash at the end. */
  baseUrl: string;
  /** Whether that address was set; else it is this machine's own. */
  isPublic: boolean;
  page(slug: string): Promise<ServedPage | null>;
}

export interface WebRequest {
  method: "GET" | "HEAD";
  /** Give up then. */
  timeoutMs: number;
  /** Read no more than this; without it the body is not read at all. */
  maxBytes?: number;
  /** For so long the host is left alone afterwards, by every process that asks for the same house. */
  pauseMs: number;
  signal: AbortSignal;
}

export interface WebAnswer {
  status: number;
  /** Names in lower case. */
  headers: Record<string, string>;
  /** Decoded; empty when it was not asked for. */
  text: string;
  /** As they came over the wire. */
  bytes: number;
}

/**
 * `refused`: the address may not be called. `unreachable`: no such host, no connection. `too_large`: longer than
 * `maxBytes`. `timeout`, `broken`: it may be there or not.
 */
export type WebFailureKind = "refused" | "unreachable" | "too_large" | "timeout" | "broken";

export class WebFailure extends Error {
  override readonly name = "WebFailure";
  readonly kind: WebFailureKind;

  constructor(kind: WebFailureKind, message: string) {
    super(message);
    this.kind = kind;
  }
}

/** The way out: one request, no redirect followed, private addresses refused. Rejects with WebFailure. */
export type Web = (url: string, request: WebRequest) => Promise<WebAnswer>;

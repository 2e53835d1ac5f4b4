/** Owns the seam between the optimizer and what is stored: the server implements it. Knows no SQL. */
import type { Payments } from "./statistics/interval.ts";
import type { Moments } from "./statistics/shrinkage.ts";

/** From the first moment until before the second, in epoch milliseconds. */
export interface Window {
  fromMs: number;
  toMs: number;
}

export type FunnelBy = "article" | "channel" | "offer" | "content_type";
/** Whose merit a conversion is: the page it names, or the first or last view of its visitor before it. */
export type Attribution = "page" | "first_touch" | "last_touch";

export interface FunnelQuery {
  window: Window;
  by: FunnelBy;
  attribution: Attribution;
  /** Only conversions of this kind; null: all. */
  goal: string | null;
  /** How far back a visitor's views are looked for. */
  lookbackDays: number;
  limit: number;
  offset: number;
}

export interface FunnelCounts {
  views: number;
  engaged: number;
  clicks: number;
  conversions: number;
  /** Conversions and payments that were given to a view of their visitor, by attribution. */
  touched: number;
  /** In US dollars. */
  payments: Payments;
}

export interface FunnelGroup extends FunnelCounts {
  /** Id of the article or path of the page, channel, offer, content type. */
  key: string;
  title: string | null;
}

export interface Coverage {
  views: number;
  conversions: number;
  payments: number;
  /** When the newest of all that is stored was imported; null: nothing is. */
  seenThroughMs: number | null;
}

export interface Scope {
  all?: true | undefined;
  content_types?: string[] | undefined;
  article_ids?: string[] | undefined;
}

/** What a variant changes, for whoever shows it: an offer, a headline, a place. */
export type Change = Record<string, string | number | boolean | null>;

export interface Variant {
  key: string;
  weight: number;
  change: Change;
}

export interface Guardrail {
  goal: string;
  /** What would be harm: more of it, or fewer. */
  harm: "more" | "fewer";
}

/** How an experiment was set up. Nothing of it changes once it runs. */
export interface Experiment {
  experimentId: string;
  key: string;
  surface: string;
  scope: Scope;
  /** The first one is the control. */
  variants: Variant[];
  metric: "conversion" | "revenue_per_unit";
  goal: string | null;
  guardrails: Guardrail[];
  /** Units that each variant needs before anything is decided in its favour. */
  minSample: number;
  maxDays: number;
  alpha: number;
  /** The least relative effect that would be worth having. */
  minEffect: number;
  winChance: number;
  /** The most that the winner may be expected to cost, as a share of the control's mean. */
  maxLoss: number;
  autoRollOut: boolean;
  salt: string;
  startedAtMs: number;
}

/** What one variant's units did, in sums. Money in US dollars. */
export interface Arm {
  variant: string;
  units: number;
  converted: number;
  revenue: { sum: number; squares: number; cubes: number };
  /** Units with an event of each guardrail's goal, in the order of the guardrails. */
  harmed: number[];
}

export interface Arms {
  arms: Arm[];
  /** Units that were shown more than one variant: counted nowhere. */
  crossed: number;
}

/** A strategy update whose effect is watched. */
export interface WatchedStrategy {
  version: number;
  metric: Experiment["metric"];
  goal: string | null;
  scope: Scope;
  inForceSinceMs: number;
  /** Days before it that it is compared with, and days that it is watched. */
  days: number;
  autoRollBack: boolean;
}

export interface Measure {
  views: number;
  conversions: number;
  payments: Payments;
}

/** The articles in scope and all others, before and since. */
export interface BeforeAfter {
  before: Measure;
  after: Measure;
  restBefore: Measure;
  restAfter: Measure;
}

export interface ArticleStanding {
  articleId: string;
  title: string;
  contentType: string;
  views: number;
  conversions: number;
  /** Conversions that its views would bring at their channels' rates. */
  expected: number;
}

export interface OfferStanding {
  contentType: string;
  offer: string;
  /** Articles on which it earns more than any other offer, and their views. */
  articles: number;
  views: number;
  payments: Payments;
}

export interface TypeStanding {
  contentType: string;
  /** Articles that were there through the whole window. */
  articles: number;
  /** Of revenue per article. */
  meanUsd: number;
  standardErrorUsd: number;
}

export interface Opportunity {
  kind: "low_conversion" | "better_offer" | "content_type";
  /** What it is about: with the kind it names the opportunity, from run to run. */
  subject: string;
  title: string;
  /** US dollars in thirty days: mean and interval of what is believed. */
  expectedUsd: number;
  lowUsd: number;
  highUsd: number;
  /** The chance that there is anything to gain. */
  chance: number;
  evidence: Record<string, unknown>;
  action: Record<string, unknown>;
}

export interface FinishedRun {
  taskId: string;
  window: Window;
  seenThroughMs: number | null;
  summary: Record<string, unknown>;
}

/**
 * What the optimizer asks of the store. Every method may be called again with the same arguments: a decision that was
 * made stays as it is, and a list that is saved again replaces itself. Each rejects when the store is unreachable.
 */
export interface Library {
  nowMs(): Promise<number>;
  coverage(window: Window): Promise<Coverage>;
  funnel(query: FunnelQuery): Promise<{ total: FunnelCounts; groups: FunnelGroup[]; more: boolean }>;

  runningExperiments(): Promise<Experiment[]>;
  arms(experimentId: string): Promise<Arms>;
  /** Keeps the newest numbers of an experiment that runs. */
  noteResult(experimentId: string, result: object): Promise<void>;
  /**
   * Ends an experiment and, where it won and is to be rolled out, puts the winner in force, in one transaction.
   * Returns the strategy's version; null without one. What was decided before stays as it is.
   */
  decide(
    experimentId: string,
    decision: { outcome: string; variant: string; reason: string },
    result: object,
    rollOut: boolean,
  ): Promise<number | null>;

  watchedStrategies(): Promise<WatchedStrategy[]>;
  effectOf(strategy: WatchedStrategy): Promise<BeforeAfter>;
  noteEffect(version: number, effect: object, over: boolean): Promise<void>;
  /** Brings back what was in force before, if this version still is. Null: it is not. */
  rollBack(version: number, reason: string): Promise<number | null>;

  /** The articles that lack most conversions, and what all articles teach. */
  articles(
    window: Window,
    least: { views: number },
    limit: number,
  ): Promise<{
    moments: Moments;
    conversions: number;
    payments: Payments;
    articles: ArticleStanding[];
  }>;
  offers(window: Window, limit: number): Promise<OfferStanding[]>;
  contentTypes(window: Window, limit: number): Promise<TypeStanding[]>;
  saveOpportunities(taskId: string, found: Opportunity[]): Promise<void>;
  finishRun(run: FinishedRun): Promise<void>;
}

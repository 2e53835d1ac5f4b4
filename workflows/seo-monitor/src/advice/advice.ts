/** Owns what an adviser says: which breaches one change mends, and how. Holds no advice. */
import type { Change, OwnArticle } from "../library.ts";
import type { RuleId } from "../rules/catalog.ts";

export interface Advice {
  /** What it mends; the first one names the recommendation. */
  rules: RuleId[];
  detail: string;
  changes: Change[];
  /** `rule`, or provider and model. */
  basis: string;
  /** How much of the breach it mends, 0 to 1. */
  share: number;
}

/** What a model proposed; null where it was not asked, or its answer was of no use. */
export interface Suggestions {
  title: string | null;
  description: string | null;
  /** Provider and model. */
  basis: string;
}

export const BY_RULE = "rule";

/** What search engines are told about an article: as its page has it. */
export function descriptionOf({ jsonLd, summary }: Pick<OwnArticle, "jsonLd" | "summary">): string {
  return typeof jsonLd.description === "string" ? jsonLd.description : summary;
}

/** Owns what a rule is given and what it finds. Holds no rule. */
import type { Prints } from "../language/prints.ts";
import type { LinkTarget, Neighbour, OwnArticle } from "../library.ts";
import type { LinkCheck } from "../links/verdict.ts";
import type { Fetched, Json, PageFacts } from "../page/facts.ts";
import type { Settings } from "../settings.ts";
import { type Part, RULES, type RuleId, type Severity } from "./catalog.ts";

export interface Finding {
  rule: RuleId;
  part: Part;
  severity: Severity;
  message: string;
  evidence: Record<string, Json>;
  /** Points of the part's 100 that it costs. */
  penalty: number;
}

/** A page that was read, with all that is known beside it. */
export interface Subject {
  fetched: Fetched;
  facts: PageFacts;
  article: OwnArticle | null;
  /** The main one first. */
  keywords: string[];
  language: string;
  contentType: string;
  publishedAtMs: number | null;
  updatedAtMs: number | null;
  /** The own site's address is the one that readers know. */
  isPublic: boolean;
  prints: Prints;
  neighbours: Neighbour[];
  /** Own articles that the text could link to, but does not. */
  targets: LinkTarget[];
  checks: LinkCheck[];
  /** Links that were left out for want of time. */
  unchecked: number;
  settings: Settings;
}

/** A breach of a rule; `share` (0 to 1) is how much of its penalty it costs. */
export function found(
  rule: RuleId,
  message: string,
  evidence: Record<string, Json> = {},
  share = 1,
): Finding {
  const { part, severity, penalty } = RULES[rule];
  return { rule, part, severity, message, evidence, penalty: Math.round(penalty * share * 10) / 10 };
}

/** A few of many, for evidence. */
export function some<T>(values: readonly T[], most = 10): T[] {
  return values.slice(0, most);
}

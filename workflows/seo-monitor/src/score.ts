/** Owns the score: what findings cost, and what mending one of them would bring. Pure; docs/seo.md has the arithmetic. */
import { PART_WEIGHTS, type Part } from "./rules/catalog.ts";
import type { Finding } from "./rules/rule.ts";

/** 0–100 each; null where it could not be measured, and then it does not count. */
export type Parts = Record<Part, number | null>;

export interface Score {
  /** A whole number, 0–100. */
  score: number;
  parts: Parts;
}

/** A page that search engines do not show cannot score more, however well it is written. */
export const CRITICAL_CAP = 40;

export const ALL_PARTS = Object.keys(PART_WEIGHTS) as Part[];

/** The score of a page of which `measured` parts are known. */
export function scoreOf(findings: readonly Finding[], measured: readonly Part[]): Score {
  const { total, parts } = weigh(findings, measured);
  // Rounded down: only a page that breaks no rule has 100.
  return { score: Math.floor(total + 1e-9), parts };
}

/** Points that the score would gain if these rules were kept, to a tenth. */
export function gainOf(
  rules: readonly string[],
  findings: readonly Finding[],
  measured: readonly Part[],
): number {
  const mended = findings.filter((finding) => !rules.includes(finding.rule));
  return Math.round((weigh(mended, measured).total - weigh(findings, measured).total) * 10) / 10;
}

function weigh(findings: readonly Finding[], measured: readonly Part[]): { total: number; parts: Parts } {
  const parts = Object.fromEntries(
    ALL_PARTS.map((part) => {
      if (!measured.includes(part)) return [part, null];
      const lost = findings.reduce((sum, finding) => sum + (finding.part === part ? finding.penalty : 0), 0);
      return [part, Math.max(0, Math.round(100 - lost))];
    }),
  ) as Parts;
  const weights = measured.reduce((sum, part) => sum + PART_WEIGHTS[part], 0);
  const points = measured.reduce((sum, part) => sum + PART_WEIGHTS[part] * (parts[part] ?? 0), 0);
  const mean = weights === 0 ? 0 : points / weights;
  const critical = findings.some(({ severity }) => severity === "critical");
  return { total: critical ? Math.min(mean, CRITICAL_CAP) : mean, parts };
}

/** Owns the published rubric: its four criteria, the gates, the score, and whether an article passes. Asks nobody; `docs/quality.md` explains it. */

import type { Topic } from "../topic.ts";
import type { Draft } from "../writing/draft.ts";
import { claimsOf } from "./claims.ts";
import { unknownFigures } from "./measure.ts";
import type { Criterion, Measures, QualityScore } from "./quality-score.ts";

/** Who gave the marks where no model was there: a formula, and it says so. */
export const DETERMINISTIC_JUDGE = "deterministic-rubric";

/** What each mark means; the same words go to the judge and into the documentation. */
export const CRITERIA = {
  interest: {
    asks: "Would the reader of the brief go on reading?",
    1: "Nothing but generalities; says what everybody knows.",
    3: "Some concrete facts, figures or examples, unevenly spread; competent and plain.",
    5: "Concrete throughout: facts, figures, examples or voices that the reader would retell.",
  },
  organisation: {
    asks: "Does each part have one job, and stand where it should?",
    1: "No order; parts repeat or contradict each other.",
    3: "An order that can be followed; some part is misplaced, too long or overlaps another.",
    5: "Each section answers one question, headings say which, and each leads to the next.",
  },
  relevance: {
    asks: "Does it answer the brief, and nothing else?",
    1: "About something else.",
    3: "Answers the brief, with passages that serve neither it nor its reader.",
    5: "Every passage serves the brief and its reader.",
  },
  coverage: {
    asks: "Does it say what brief and keywords ask for, as far as the sources know it?",
    1: "Leaves out most of what was asked for, though the sources have it.",
    3: "The main points are there; something that was asked for and is in the sources is missing.",
    5: "Everything that was asked for and is in the sources is there, in due proportion.",
  },
} as const satisfies Record<Criterion, Record<"asks" | 1 | 3 | 5, string>>;

export const CRITERION_NAMES = Object.keys(CRITERIA) as Criterion[];

/** What a judge says of an article. */
export interface Verdict {
  /** Provider and model, or `deterministic-rubric`. */
  judge: string;
  /** Whole numbers from 1 to 5. */
  marks: Record<Criterion, number>;
  /** Claims that no source supports. */
  unsupported: { claim: string; why: string }[];
  /** Share of the claims, or of the sentences, that the sources support, 0–1. */
  support: number;
  /** What should be mended, in words for the writer. */
  findings: string[];
}

/** What an article has to reach to be published without a person. */
export interface Bar {
  /** 0–100. */
  score: number;
  /** 0–1. */
  support: number;
  /** 0–1: how alike an article of ours may be. */
  likeness: number;
}
export const DEFAULT_BAR: Bar = { score: 55, support: 0.9, likeness: 0.8 };

/** Marks by measurable features alone: never a model's opinion, and labelled as what it is. */
export function judgeByMeasures(measures: Measures): Verdict {
  const mark = (percent: number) => 1 + Math.round((4 * percent) / 100);
  const marks = {
    interest: mark(measures.liveliness),
    organisation: mark(measures.structure),
    relevance: mark(measures.relevance),
    // What nothing was asked for cannot be left out.
    coverage: mark(measures.coverage ?? 100),
  };
  return {
    judge: DETERMINISTIC_JUDGE,
    marks,
    unsupported: [],
    support: measures.support / 100,
    findings: CRITERION_NAMES.filter((name) => marks[name] < 3).map(
      (name) => `${name} is ${marks[name]} of 5: ${CRITERIA[name].asks}`,
    ),
  };
}

/**
 * A figure that stands in no source makes its claim unsupported, whatever the judge says: models
 * overlook what they would have written themselves.
 */
export function withFiguresChecked(verdict: Verdict, draft: Draft, topic: Topic): Verdict {
  const claims = claimsOf(draft);
  const doubted = new Set(verdict.unsupported.map(({ claim }) => claim));
  const more = claims.flatMap(({ text }) => {
    const unknown = doubted.has(text) ? [] : unknownFigures(text, topic);
    return unknown.length ? [{ claim: text, why: `no source has the figure ${unknown.join(", ")}` }] : [];
  });
  if (more.length === 0) return verdict;
  const unsupported = [...verdict.unsupported, ...more];
  const support = Math.min(verdict.support, 1 - unsupported.length / Math.max(1, claims.length));
  return { ...verdict, unsupported, support: Math.max(0, support) };
}

const WEIGHTS = { rubric: 80, readability: 10, originality: 10 };

/** The published score, with the gates: `reasons` says what keeps the article from passing. */
export function scoreOf(
  verdict: Verdict,
  of: {
    measures: Measures;
    likeness: { slug: string; likeness: number } | null | undefined;
    bar: Bar;
  },
): QualityScore {
  const { fleschReadingEase, ...parts } = of.measures;
  const mean = CRITERION_NAMES.reduce((sum, name) => sum + verdict.marks[name], 0) / CRITERION_NAMES.length;
  const originality = of.likeness === undefined ? null : Math.round((1 - (of.likeness?.likeness ?? 0)) * 100);
  const values = { rubric: ((mean - 1) / 4) * 100, readability: parts.readability, originality };
  let sum = 0;
  let weights = 0;
  for (const [name, weight] of Object.entries(WEIGHTS)) {
    const value = values[name as keyof typeof values];
    if (value === null) continue;
    sum += value * weight;
    weights += weight;
  }
  const quality = {
    score: Math.round(sum / weights),
    judge: verdict.judge,
    rubric: verdict.marks,
    support: Math.round(verdict.support * 100),
    unsupported: verdict.unsupported.slice(0, 50),
    originality,
    nearest: of.likeness ?? null,
    parts,
    fleschReadingEase,
  };
  return { ...quality, reasons: reasonsAgainst(quality, verdict, of.bar) };
}

function reasonsAgainst(quality: Omit<QualityScore, "reasons">, verdict: Verdict, bar: Bar): string[] {
  const reasons: string[] = [];
  if (verdict.support < bar.support) {
    const first = quality.unsupported[0];
    const example = first ? `, such as "${first.claim.slice(0, 200)}" (${first.why})` : "";
    reasons.push(
      `${quality.support} % of its claims are supported by the sources; ${Math.round(bar.support * 100)} % are required${example}`,
    );
  }
  if (quality.score < bar.score) {
    const marks = CRITERION_NAMES.map((name) => `${name} ${quality.rubric[name]}`).join(", ");
    reasons.push(`its quality is ${quality.score} of 100 (${marks}); ${bar.score} are required`);
  }
  const { nearest } = quality;
  if (nearest && nearest.likeness >= bar.likeness) {
    reasons.push(`it is ${Math.round(nearest.likeness * 100)} % the same as the article ${nearest.slug}`);
  }
  return reasons;
}

/** What a writer is told to mend. */
export function findingsFor(quality: QualityScore, verdict: Verdict): string[] {
  const weak = CRITERION_NAMES.filter((name) => verdict.marks[name] < 4).map(
    (name) => `${name} has ${verdict.marks[name]} of 5 marks; 5 means: ${CRITERIA[name][5]}`,
  );
  const claims = verdict.unsupported.map(
    ({ claim, why }) => `Not supported by the sources: "${claim.slice(0, 300)}" (${why})`,
  );
  return [
    ...claims,
    ...verdict.findings,
    ...weak,
    ...(verdict.findings.length + claims.length ? [] : quality.reasons),
  ]
    .map((finding) => finding.slice(0, 600))
    .slice(0, 30);
}

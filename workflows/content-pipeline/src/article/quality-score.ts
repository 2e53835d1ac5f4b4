/** Owns the form of what is measured and judged of an article, as it is kept with it. Measures nothing. */

/** What is marked, 1–5 each. */
export type Criterion = "interest" | "organisation" | "relevance" | "coverage";

/** 0–100 each; null where it cannot be measured, and then it does not count. */
export interface Measures {
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
  /** Share of the sections that speak of what was asked for. */
  relevance: number;
  /** Figures, names and quotations, and sentences of different length. */
  liveliness: number;
  fleschReadingEase: number | null;
}

export interface QualityScore {
  /** 0–100, a whole number. */
  score: number;
  judge: string;
  rubric: Record<Criterion, number>;
  /** 0–100. */
  support: number;
  unsupported: { claim: string; why: string }[];
  /** 0–100; null for a text too short to compare. */
  originality: number | null;
  /** The published article that is most alike, if any is. */
  nearest: { slug: string; likeness: number } | null;
  parts: Omit<Measures, "fleschReadingEase">;
  fleschReadingEase: number | null;
  /** Why it may not be published as it is; empty if it may. */
  reasons: string[];
}

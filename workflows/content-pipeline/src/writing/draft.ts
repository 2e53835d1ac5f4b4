/** Owns the form of a written article before it is rendered, and what a writer is. Writes nothing itself. */
import type { ResolvedEntity } from "../entities/resolve.ts";
import type { Topic } from "../topic.ts";

export interface Section {
  heading: string;
  /** Paragraphs, lists and links only; `[n](#source-n)` cites source n, counted from 1. */
  markdown: string;
}

/** A sentence as it stands in a source. `source` counts from 0; null is the brief. */
export interface Quote {
  text: string;
  source: number | null;
}

export interface Draft {
  title: string;
  /** One or two sentences under the title. */
  summary: string;
  /** Markdown before the first heading; may be empty. */
  lead: string;
  sections: Section[];
  keyFacts: Quote[];
  pullQuote: Quote | null;
  citations: Quote[];
  /** Who wrote it: `offline-extractive`, or provider and model such as `gemini/gemini-3.5-flash-lite`. */
  generator: string;
}

/** What a writer means to say before it writes: points with the numbers of the sources that they rest on, from 1. */
export interface Outline {
  angle: string;
  sections: { heading: string; points: { claim: string; sources: number[] }[] }[];
  /** What is asked for and no source says. */
  not_covered: string[];
}

type Names = readonly Pick<ResolvedEntity, "name">[];

/** Turns a topic into a draft, or throws: an article that a writer could not write is not replaced by another. */
export interface Writer {
  generator: string;
  /** Only of writers that plan first. */
  outline?(topic: Topic, names: Names, signal: AbortSignal): Promise<Outline>;
  write(topic: Topic, names: Names, outline: Outline | null, signal: AbortSignal): Promise<Draft>;
  /** Only of writers that can write otherwise than they did. */
  revise?(
    topic: Topic,
    names: Names,
    before: { draft: Draft; findings: readonly string[] },
    signal: AbortSignal,
  ): Promise<Draft>;
}

/** After which section the pull quote stands, counted from 0: near the middle, never after the last of several. */
export function quoteAfter(sections: number): number {
  return Math.max(0, Math.floor((sections - 1) / 2));
}

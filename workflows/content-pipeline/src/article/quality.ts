/** Owns what an article is worth, measured: coverage, support, structure, readability, length. Pure; changes nothing. */

import type { QualityScore } from "../library.ts";
import { hasSourceText, type Topic } from "../topic.ts";
import type { Draft } from "../writing/draft.ts";
import { readSources } from "../writing/reading.ts";
import { contentWords, countWords, sentencesOf } from "../writing/sentences.ts";
import { fleschReadingEase } from "./readability.ts";

const WEIGHTS = { coverage: 25, support: 35, structure: 15, readability: 10, length: 15 };
/** A sentence is supported when this share of its meaningful words stands in one sentence of a source. */
const SUPPORTED = 0.6;
const FULL_LENGTH_WORDS = 600;

/** Measures a draft against what it was written from. Deterministic. */
export function scoreQuality(draft: Draft, topic: Topic): QualityScore {
  const text = plainTextOf(draft);
  const ease = topic.language.toLowerCase().startsWith("en") ? fleschReadingEase(text) : null;
  const parts = {
    coverage: coverage(`${draft.title}\n${text}`, topic),
    support: support(text, topic),
    structure: structure(draft),
    readability: ease === null ? null : readabilityScore(ease),
    length: lengthScore(countWords(text), topic),
  };
  let sum = 0;
  let weights = 0;
  for (const [name, weight] of Object.entries(WEIGHTS)) {
    const value = parts[name as keyof typeof parts];
    if (value === null) continue;
    sum += value * weight;
    weights += weight;
  }
  return {
    score: Math.round(sum / weights),
    parts,
    fleschReadingEase: ease === null ? null : Math.round(ease * 10) / 10,
  };
}

/** What a reader reads: summary, lead and sections, without headings, links and marks. */
export function plainTextOf(draft: Draft): string {
  return [draft.summary, unmarked(draft.lead), ...draft.sections.map((section) => unmarked(section.markdown))]
    .filter((part) => part !== "")
    .join("\n\n");
}

function unmarked(markdown: string): string {
  return markdown
    .replace(/\[\d+\]\(#source-\d+\)/g, "")
    .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
    .replace(/^(?:[-*+]|\d+\.)\s+/gm, "")
    .replace(/\*\*|__|(?<!\\)[*`]/g, "")
    .replace(/\\([\\`*_[\]<>~|#+\-=.)])/g, "$1")
    .replaceAll("&amp;", "&")
    .replace(/[ \t]+/g, " ")
    .trim();
}

function coverage(text: string, topic: Topic): number | null {
  const present = new Set(contentWords(text));
  const speaksOf = (phrase: string) => {
    const words = contentWords(phrase);
    return words.length > 0 && words.every((word) => present.has(word));
  };
  if (topic.keywords.length > 0)
    return percent(topic.keywords.filter(speaksOf).length / topic.keywords.length);
  const asked = [...new Set([...contentWords(topic.title), ...contentWords(topic.brief)])];
  return asked.length === 0 ? null : percent(asked.filter((word) => present.has(word)).length / asked.length);
}

function support(text: string, topic: Topic): number {
  const { bags, places } = indexOf(topic);
  const sentences = text.split(/\n+/).flatMap((paragraph) => sentencesOf(paragraph, topic.language));
  let counted = 0;
  let supported = 0;
  for (const sentence of sentences) {
    const words = new Set(contentWords(sentence));
    if (words.size === 0) continue;
    counted++;
    const shared = new Map<number, number>();
    for (const word of words) {
      for (const place of places.get(word) ?? []) shared.set(place, (shared.get(place) ?? 0) + 1);
    }
    // Two neighbouring sentences may have been joined into one.
    const best = [...shared.keys()].reduce((most, place) => {
      const next = bags[place + 1];
      const extra = next ? [...words].filter((word) => next.has(word) && !bags[place]!.has(word)).length : 0;
      return Math.max(most, shared.get(place)!, (shared.get(place)! + extra) * 0.9);
    }, 0);
    if (best / words.size >= SUPPORTED) supported++;
  }
  return counted === 0 ? 0 : percent(supported / counted);
}

/** The material's sentences as bags of words, and where each word stands. */
function indexOf(topic: Topic): { bags: Set<string>[]; places: Map<string, number[]> } {
  const bags = sentencesOf(topic.brief, topic.language).map((sentence) => new Set(contentWords(sentence)));
  for (const { paragraphs } of readSources(topic)) {
    for (const sentence of paragraphs.flatMap((paragraph) => paragraph.sentences)) {
      bags.push(new Set(contentWords(sentence)));
    }
  }
  const places = new Map<string, number[]>();
  for (const [place, bag] of bags.entries()) {
    for (const word of bag) {
      const list = places.get(word);
      if (list) list.push(place);
      else places.set(word, [place]);
    }
  }
  return { bags, places };
}

function structure(draft: Draft): number {
  const count = draft.sections.length;
  const enough = count >= 3 && count <= 8 ? 40 : count > 0 ? 20 : 0;
  const headings = draft.sections.map((section) => section.heading.toLowerCase());
  const distinct = count > 0 && new Set(headings).size === count ? 20 : 0;
  const lengths = draft.sections.flatMap((section) => section.markdown.split(/\n{2,}/)).map(countWords);
  const readable = lengths.filter((words) => words >= 15 && words <= 160).length;
  const paragraphs = lengths.length === 0 ? 0 : Math.round((25 * readable) / lengths.length);
  const opens = draft.summary !== "" && draft.summary.length <= 400 ? 15 : 0;
  return enough + distinct + paragraphs + opens;
}

/** 60 and easier is plain English; below 0 nobody reads it. */
function readabilityScore(ease: number): number {
  return percent(Math.min(1, Math.max(0, ease) / 60));
}

/** With little material a short article is right; with none, the brief is all there is to say. */
function lengthScore(words: number, topic: Topic): number {
  const material = topic.sources.reduce(
    (sum, source) => sum + countWords((source.text ?? "").slice(0, 20_000)),
    0,
  );
  const wanted = hasSourceText(topic) ? Math.min(FULL_LENGTH_WORDS, Math.max(120, material * 0.6)) : 120;
  return percent(Math.min(1, words / wanted));
}

function percent(share: number): number {
  return Math.round(Math.min(1, Math.max(0, share)) * 100);
}

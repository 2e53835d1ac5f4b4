/** Owns what can be measured of an article: coverage, support, structure, readability, length, relevance, liveliness. Pure; judges nothing. */
import { hasSourceText, type Topic } from "../topic.ts";
import type { Draft } from "../writing/draft.ts";
import { readSources } from "../writing/reading.ts";
import { contentWords, countWords, sentencesOf } from "../writing/sentences.ts";
import { unmarked } from "./claims.ts";
import type { Measures } from "./quality-score.ts";
import { fleschReadingEase } from "./readability.ts";

/** A sentence is supported when this share of its meaningful words stands in one sentence of a source. */
const SUPPORTED = 0.6;
const FULL_LENGTH_WORDS = 600;
/** Up to here a text needs no headings. */
const SHORT_WORDS = 150;

/** Measures a draft against what it was written from. Deterministic. */
export function measure(draft: Draft, topic: Topic): Measures {
  const text = plainTextOf(draft);
  const ease = topic.language.toLowerCase().startsWith("en") ? fleschReadingEase(text) : null;
  return {
    coverage: coverage(`${draft.title}\n${text}`, topic),
    support: support(text, topic),
    structure: structure(draft),
    readability: ease === null ? null : readabilityScore(ease),
    length: lengthScore(countWords(text), topic),
    relevance: relevance(draft, topic),
    liveliness: liveliness(text, topic.language),
    fleschReadingEase: ease === null ? null : Math.round(ease * 10) / 10,
  };
}

/** What a reader reads: summary, lead and sections, without headings, links and marks. */
export function plainTextOf(draft: Draft): string {
  return [draft.summary, unmarked(draft.lead), ...draft.sections.map((section) => unmarked(section.markdown))]
    .filter((part) => part !== "")
    .join("\n\n");
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
  const opens = draft.summary !== "" && draft.summary.length <= 400 ? 15 : 0;
  if (count === 0 && countWords(plainTextOf(draft)) <= SHORT_WORDS) return 60 + opens;
  const enough = count >= 3 && count <= 8 ? 40 : count > 0 ? 20 : 0;
  const headings = draft.sections.map((section) => section.heading.toLowerCase());
  const distinct = count > 0 && new Set(headings).size === count ? 20 : 0;
  const lengths = draft.sections.flatMap((section) => section.markdown.split(/\n{2,}/)).map(countWords);
  const readable = lengths.filter((words) => words >= 15 && words <= 160).length;
  const paragraphs = lengths.length === 0 ? 0 : Math.round((25 * readable) / lengths.length);
  return enough + distinct + paragraphs + opens;
}

function relevance(draft: Draft, topic: Topic): number {
  const asked = new Set([topic.title, topic.brief, ...topic.keywords].flatMap(contentWords));
  const parts = [draft.summary, draft.lead, ...draft.sections.map((s) => `${s.heading}\n${s.markdown}`)]
    .map((part) => new Set(contentWords(unmarked(part))))
    .filter((words) => words.size > 0);
  if (parts.length === 0 || asked.size === 0) return 0;
  // A long section speaks of something else as well; two of the words that were asked for are enough.
  const enough = (words: Set<string>) => Math.min(2, asked.size, words.size);
  const about = parts.filter((words) => [...words].filter((word) => asked.has(word)).length >= enough(words));
  return percent(about.length / parts.length);
}

const CONCRETE = /\d|["“”«»]|(?<=[\p{Ll},;:] )\p{Lu}\p{Ll}/u;

/** Half for sentences that hold something concrete (every second one is full marks), half for their rhythm. */
function liveliness(text: string, language: string): number {
  const sentences = text.split(/\n+/).flatMap((paragraph) => sentencesOf(paragraph, language));
  if (sentences.length === 0) return 0;
  const concrete = sentences.filter((sentence) => CONCRETE.test(sentence)).length / sentences.length;
  const lengths = sentences.map(countWords);
  const mean = lengths.reduce((sum, length) => sum + length, 0) / lengths.length;
  const deviation = Math.sqrt(
    lengths.reduce((sum, length) => sum + (length - mean) ** 2, 0) / lengths.length,
  );
  const rhythm = mean === 0 ? 0 : deviation / mean;
  return percent(Math.min(1, concrete / 0.5) / 2 + Math.min(1, rhythm / 0.5) / 2);
}

/** Figures of the article that stand neither in the brief nor in any source, as they are written. */
export function unknownFigures(text: string, topic: Topic): string[] {
  const known = new Set(
    figuresIn([topic.title, topic.brief, ...topic.sources.map((s) => s.text ?? "")].join("\n")),
  );
  return [...new Set(figuresIn(text))].filter((figure) => !known.has(figure));
}

/** Numbers of two digits and more, without the marks that group thousands; a single digit may be a count of the article's own. */
function figuresIn(text: string): string[] {
  return (text.match(/\d[\d.,\u00a0\u202f']*\d/g) ?? []).map((figure) =>
    figure.replace(/[,\u00a0\u202f'](?=\d{3}(?:\D|$))/g, ""),
  );
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

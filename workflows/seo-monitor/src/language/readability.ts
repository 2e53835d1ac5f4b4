/** Owns how hard a text is to read: Flesch's reading ease for English, LIX for other languages. Pure; judges nothing. */
import { syllable } from "syllable";
import { primary, sentencesOf, wordsOf } from "./words.ts";

export interface TextCounts {
  words: number;
  sentences: number;
  syllables: number;
  /** Words of more than six letters. */
  longWords: number;
}

/** Rudolf Flesch, "A new readability yardstick" (1948): 60–70 is plain English, below 30 is hard. */
export function fleschReadingEase({ words, sentences, syllables }: TextCounts): number {
  return 206.835 - 1.015 * (words / sentences) - 84.6 * (syllables / words);
}

/** Carl-Hugo Björnsson, "Läsbarhet" (1968): below 30 is very easy, 40–50 medium, above 60 very hard. */
export function lix({ words, sentences, longWords }: TextCounts): number {
  return words / sentences + (100 * longWords) / words;
}

export interface Readability {
  method: "flesch_reading_ease" | "lix";
  value: number;
  /** 0 (very hard) to 100 (very easy), the same for both methods. */
  ease: number;
  meanSentenceWords: number;
  /** Share of sentences with more than 25 words, 0 to 1. */
  longSentences: number;
}

const LONG_SENTENCE_WORDS = 25;
/** Fewer words than this say nothing about a text. */
const MIN_WORDS = 50;

/** Null for texts that are too short, or without words between spaces (Chinese, Japanese, Thai). */
export function readabilityOf(paragraphs: readonly string[], language: string): Readability | null {
  if (["zh", "ja", "th", "km", "lo", "my"].includes(primary(language))) return null;
  const counts: TextCounts = { words: 0, sentences: 0, syllables: 0, longWords: 0 };
  const english = primary(language) === "en";
  let long = 0;
  for (const sentence of paragraphs.flatMap((paragraph) => sentencesOf(paragraph, language))) {
    const words = wordsOf(sentence);
    if (words.length === 0) continue;
    counts.sentences++;
    counts.words += words.length;
    if (words.length > LONG_SENTENCE_WORDS) long++;
    for (const word of words) {
      if (word.length > 6) counts.longWords++;
      if (english) counts.syllables += syllablesOf(word);
    }
  }
  if (counts.words < MIN_WORDS) return null;
  const value = english ? fleschReadingEase(counts) : lix(counts);
  return {
    method: english ? "flesch_reading_ease" : "lix",
    value: round(value),
    // Björnsson's scale runs the other way: 20 is a children's book, 60 a statute.
    ease: round(Math.min(100, Math.max(0, english ? value : 100 - (value - 20) * 1.75))),
    meanSentenceWords: round(counts.words / counts.sentences),
    longSentences: round(long / counts.sentences, 3),
  };
}

const MAX_KEPT = 50_000;
const kept = new Map<string, number>();

/** Syllables of an English word; numbers count as one. */
export function syllablesOf(word: string): number {
  let count = kept.get(word);
  if (count === undefined) {
    count = Math.max(1, syllable(word.slice(0, 60)));
    if (kept.size >= MAX_KEPT) kept.clear();
    kept.set(word, count);
  }
  return count;
}

function round(value: number, digits = 1): number {
  return Number(value.toFixed(digits));
}

/** Rules about the text itself: its length, how it reads, and its age. */
import { type Readability, readabilityOf } from "../language/readability.ts";
import { wordsOf } from "../language/words.ts";
import { ofType } from "../settings.ts";
import { type Finding, found, type Subject } from "./rule.ts";

const DAY_MS = 86_400_000;
/** Below this ease (0–100) a text is hard; a page for anybody should not be. */
const HARD_BELOW = 40;
const VERY_HARD_BELOW = 20;
const LONG_PARAGRAPH_WORDS = 150;

export function content(subject: Subject): Finding[] {
  const { facts, language } = subject;
  return [
    ...length(subject),
    ...reading(readabilityOf(facts.paragraphs, language)),
    ...paragraphs(facts.paragraphs),
    ...freshness(subject),
  ];
}

function length({ facts, contentType, settings }: Subject): Finding[] {
  const words = wordsOf(facts.text).length;
  const least = ofType(settings.min_words, contentType);
  if (words >= least) return [];
  return [
    found(
      "thin_content",
      `it has ${words} words; ${contentType} wants ${least}`,
      { words, least },
      words < least / 2 ? 1 : 0.5,
    ),
  ];
}

function reading(readability: Readability | null): Finding[] {
  if (readability === null || readability.ease >= HARD_BELOW) return [];
  const { method, value, ease, meanSentenceWords, longSentences } = readability;
  const name = method === "lix" ? "LIX" : "Flesch reading ease";
  const evidence = {
    method,
    value,
    ease,
    mean_sentence_words: meanSentenceWords,
    long_sentences: longSentences,
  };
  return [
    found("readability", `it is hard to read (${name} ${value})`, evidence, ease < VERY_HARD_BELOW ? 1 : 0.5),
  ];
}

function paragraphs(paragraphs: readonly string[]): Finding[] {
  const long = paragraphs
    .map((paragraph) => wordsOf(paragraph).length)
    .filter((words) => words > LONG_PARAGRAPH_WORDS);
  if (long.length === 0) return [];
  const message = `${long.length === 1 ? "one paragraph has" : `${long.length} paragraphs have`} more than ${LONG_PARAGRAPH_WORDS} words`;
  return [
    found(
      "long_paragraphs",
      message,
      { longest: Math.max(...long), count: long.length },
      long.length > 2 ? 1 : 0.6,
    ),
  ];
}

function freshness({ fetched, publishedAtMs, updatedAtMs, contentType, settings }: Subject): Finding[] {
  const last = updatedAtMs ?? publishedAtMs;
  if (last === null) return [found("date_missing", "nothing says when it was published")];
  const days = Math.floor((fetched.atMs - last) / DAY_MS);
  const most = ofType(settings.max_age_days, contentType);
  if (days <= most) return [];
  return [
    found(
      "stale",
      `it was last changed ${days} days ago; ${contentType} is to be looked at after ${most}`,
      { days, most },
      days > 2 * most ? 1 : 0.5,
    ),
  ];
}

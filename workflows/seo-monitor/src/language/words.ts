/** Owns how a text is cut into words and sentences, and which forms of a word count as one. Judges nothing. */
import stemmers from "snowball-stemmers";

const WORD = /[\p{L}\p{N}]+(?:['’.,-][\p{L}\p{N}]+)*/gu;

/** The words in lower case, numbers included; contractions stay whole. */
export function wordsOf(text: string): string[] {
  return text.toLowerCase().replaceAll("’", "'").match(WORD) ?? [];
}

const segmenters = new Map<string, Intl.Segmenter>();

/** The sentences of one paragraph, by the rules of its language. */
export function sentencesOf(paragraph: string, language: string): string[] {
  let segmenter = segmenters.get(language);
  if (!segmenter) {
    // A tag that no machine knows falls back to general rules instead of failing the task.
    const known = isLanguage(language) ? Intl.Segmenter.supportedLocalesOf([language]) : [];
    segmenter = new Intl.Segmenter(known.length ? known : "en", { granularity: "sentence" });
    if (segmenters.size < 100) segmenters.set(language, segmenter);
  }
  return [...segmenter.segment(paragraph)]
    .map(({ segment }) => segment.trim())
    .filter((sentence) => /[\p{L}\p{N}]/u.test(sentence));
}

export function isLanguage(tag: string): boolean {
  try {
    return Intl.getCanonicalLocales(tag).length === 1;
  } catch {
    return false;
  }
}

/** The primary part of a language tag: `en` of `en-GB`. */
export function primary(language: string): string {
  return language.toLowerCase().split("-")[0] ?? "";
}

const SNOWBALL: Readonly<Record<string, string>> = {
  ca: "catalan",
  cs: "czech",
  da: "danish",
  de: "german",
  en: "english",
  es: "spanish",
  fi: "finnish",
  fr: "french",
  hu: "hungarian",
  it: "italian",
  nb: "norwegian",
  nl: "dutch",
  no: "norwegian",
  pt: "portuguese",
  ro: "romanian",
  ru: "russian",
  sv: "swedish",
  tr: "turkish",
};
const MAX_KEPT_STEMS = 50_000;
const stemmersByName = new Map<string, { stem(word: string): string }>();
const stems = new Map<string, string>();

/** What the forms of a word have in common (Snowball); the word itself in a language without a stemmer. */
export function stemOf(word: string, language: string): string {
  const name = SNOWBALL[primary(language)];
  if (!name || word.length > 40) return word;
  const key = `${name} ${word}`;
  const kept = stems.get(key);
  if (kept !== undefined) return kept;
  let stemmer = stemmersByName.get(name);
  if (!stemmer) {
    stemmer = stemmers.newStemmer(name);
    stemmersByName.set(name, stemmer);
  }
  const stem = stemmer.stem(word);
  if (stems.size >= MAX_KEPT_STEMS) stems.clear();
  stems.set(key, stem);
  return stem;
}

/** A phrase as its stems in their order: `Heat pumps` → `heat pump`. */
export function keyOf(phrase: string, language: string): string {
  return wordsOf(phrase)
    .map((word) => stemOf(word, language))
    .join(" ");
}

/** How often a phrase stands among words, in whatever forms; both as stems. */
export function countPhrase(words: readonly string[], phrase: readonly string[]): number {
  if (phrase.length === 0) return 0;
  let count = 0;
  for (let i = 0; i + phrase.length <= words.length; i++) {
    if (words[i] !== phrase[0]) continue;
    let j = 1;
    while (j < phrase.length && words[i + j] === phrase[j]) j++;
    if (j === phrase.length) {
      count++;
      i += phrase.length - 1;
    }
  }
  return count;
}

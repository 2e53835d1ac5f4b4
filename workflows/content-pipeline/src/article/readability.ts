/** Owns Flesch's reading ease, for English. Pure; judges nothing. */
import { sentencesOf, wordsOf } from "../writing/sentences.ts";

/**
 * Flesch reading ease: 206.835 − 1.015 × words per sentence − 84.6 × syllables per word. About 60–70
 * is plain English, below 30 is hard; it may leave 0–100. Null for a text without a word.
 */
export function fleschReadingEase(text: string): number | null {
  let words = 0;
  let syllables = 0;
  let sentences = 0;
  for (const sentence of text.split(/\n+/).flatMap((paragraph) => sentencesOf(paragraph, "en"))) {
    const own = wordsOf(sentence);
    if (own.length === 0) continue;
    sentences++;
    words += own.length;
    for (const word of own) syllables += countSyllables(word);
  }
  return words === 0 ? null : 206.835 - 1.015 * (words / sentences) - 84.6 * (syllables / words);
}

/** Syllables of an English word by its vowel groups; right for most words, off by one for some. */
export function countSyllables(word: string): number {
  const letters = word.toLowerCase().replace(/[^a-z]/g, "");
  if (letters === "") return 1;
  if (letters.length <= 3) return 1;
  const spoken = letters
    .replace(/(?:[^laeiouysxzcgh]es|[^aeiouytd]ed|[^laeiouy]e)$/, "")
    .replace(/^y/, "")
    .replace(/e(?=(?:ly|less|ful|ment|ness)$)/, "");
  const groups = spoken.match(/[aeiouy]+/g)?.length ?? 0;
  // Two vowels that are spoken apart: "ri-o", "sci-ence", "be-ing".
  const apart =
    letters.match(
      /(?:[^cstgl]i[ao](?!u|n$)|[^q]u[ao]|[dnrg]eo(?!u)|ie(?=t|nc)|[aeo]ing$|[bdmnr]ia$|ea$|reate$)/g,
    )?.length ?? 0;
  return Math.max(1, groups + (groups > 0 ? apart : 0));
}

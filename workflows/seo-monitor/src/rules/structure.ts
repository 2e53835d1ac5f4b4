/** Rules about headings and images. */
import { wordsOf } from "../language/words.ts";
import type { Heading } from "../page/facts.ts";
import { type Finding, found, type Subject, some } from "./rule.ts";

/** A text of more words than this wants headings; and one for about as many. */
const WORDS_PER_HEADING = 350;

export function structure({ facts }: Subject): Finding[] {
  const { headings, images, text } = facts;
  return [
    ...mainHeading(headings),
    ...order(headings),
    ...empty(headings),
    ...few(headings, text),
    ...alt(images),
  ];
}

function mainHeading(headings: readonly Heading[]): Finding[] {
  const mains = headings.filter(({ level }) => level === 1);
  if (mains.length === 0) return [found("h1_missing", "it has no h1")];
  if (mains.length === 1) return [];
  return [
    found("h1_multiple", `it has ${mains.length} h1`, { headings: some(mains.map(({ text }) => text)) }),
  ];
}

function order(headings: readonly Heading[]): Finding[] {
  const leaps = headings.flatMap(({ level, text }, i) => {
    const before = headings[i - 1]?.level;
    return before !== undefined && level > before + 1 ? [`h${before} → h${level}: ${text.slice(0, 80)}`] : [];
  });
  if (leaps.length === 0) return [];
  return [
    found(
      "heading_order",
      `headings leave out a level ${times(leaps.length)}`,
      { leaps: some(leaps) },
      leaps.length > 1 ? 1 : 0.6,
    ),
  ];
}

function empty(headings: readonly Heading[]): Finding[] {
  const count = headings.filter(({ text }) => text === "").length;
  return count === 0 ? [] : [found("heading_empty", `${count} of its headings are empty`, { count })];
}

function few(headings: readonly Heading[], text: string): Finding[] {
  const words = wordsOf(text).length;
  const wanted = Math.floor(words / WORDS_PER_HEADING);
  const below = headings.filter(({ level }) => level > 1).length;
  if (below >= wanted) return [];
  const has = below === 0 ? "no heading" : below === 1 ? "one heading" : `${below} headings`;
  return [
    found(
      "headings_few",
      `${words} words have ${has} below the first`,
      { words, headings: below },
      below === 0 ? 1 : 0.5,
    ),
  ];
}

function alt(images: Subject["facts"]["images"]): Finding[] {
  const without = images.filter((image) => image.alt === null);
  if (without.length === 0) return [];
  const message = `${without.length} of ${images.length} images have no alt text`;
  return [
    found(
      "image_alt",
      message,
      { images: some(without.map(({ src }) => src)) },
      Math.max(0.4, without.length / images.length),
    ),
  ];
}

function times(count: number): string {
  return count === 1 ? "once" : `${count} times`;
}

/** Rules about the use of the main keyword. Words are compared by their stems. */
import { countPhrase, keyOf, stemOf, wordsOf } from "../language/words.ts";
import type { Json } from "../page/facts.ts";
import { type Finding, found, type Subject } from "./rule.ts";

/** Share of the words that the main keyword takes up: from where on it reads as stuffed. */
export const STUFFED_FROM = 0.035;
const RARE_BELOW = 0.002;
/** Short texts repeat their subject by nature. */
const MIN_WORDS = 100;

/** Null: there are no keywords to look for. */
export interface KeywordUse {
  keyword: string;
  count: number;
  /** Words of the keyword's occurrences among all words, 0 to 1. */
  density: number;
  inTitle: boolean;
  inH1: boolean;
  inIntro: boolean;
  inDescription: boolean;
}

export function keywordUse({ facts, keywords, language }: Subject): KeywordUse | null {
  const keyword = keywords.find((one) => wordsOf(one).length > 0);
  if (keyword === undefined) return null;
  const phrase = keyOf(keyword, language).split(" ");
  const stems = (text: string) => wordsOf(text).map((word) => stemOf(word, language));
  const words = stems(facts.text);
  const count = countPhrase(words, phrase);
  // In titles the words may stand apart: "Pumps that heat" speaks of heat pumps.
  const names = (text: string) => {
    const own = new Set(stems(text));
    return phrase.every((word) => own.has(word));
  };
  return {
    keyword,
    count,
    density: words.length === 0 ? 0 : (count * phrase.length) / words.length,
    inTitle: names(facts.titles[0] ?? ""),
    inH1: facts.headings.some(({ level, text }) => level === 1 && names(text)),
    inIntro: names(introOf(facts.paragraphs)),
    inDescription: names(facts.descriptions[0] ?? ""),
  };
}

/** The first paragraph, with the next one when it is only a line. */
function introOf(paragraphs: readonly string[]): string {
  const [first = "", second = ""] = paragraphs;
  return first.length < 120 ? `${first} ${second}` : first;
}

export function keywords(subject: Subject): Finding[] {
  const use = keywordUse(subject);
  if (use === null) return [found("keywords_none", "no keyword is known for it")];
  const { keyword } = use;
  const about = { keyword } satisfies Record<string, Json>;
  const absent = [
    use.inTitle ? [] : [found("keyword_title", `"${keyword}" is not in the title`, about)],
    use.inH1 ? [] : [found("keyword_h1", `"${keyword}" is not in the main heading`, about)],
    use.inIntro ? [] : [found("keyword_intro", `"${keyword}" is not in the first paragraph`, about)],
    use.inDescription ? [] : [found("keyword_description", `"${keyword}" is not in the description`, about)],
  ].flat();
  return [...absent, ...density(use, wordsOf(subject.facts.text).length)];
}

function density({ keyword, count, density }: KeywordUse, words: number): Finding[] {
  if (words < MIN_WORDS) return [];
  const percent = Number((density * 100).toFixed(2));
  const evidence = { keyword, count, words, percent };
  if (density > STUFFED_FROM) {
    const share = Math.min(1, density / STUFFED_FROM - 0.5);
    return [found("keyword_stuffing", `"${keyword}" makes up ${percent} % of the text`, evidence, share)];
  }
  if (density >= RARE_BELOW) return [];
  return [
    found(
      "keyword_density",
      `"${keyword}" occurs ${count} times in ${words} words`,
      evidence,
      count === 0 ? 1 : 0.5,
    ),
  ];
}

/** Rules about what a search result and a shared link show: title, description, language, Open Graph. */
import { isLanguage } from "../language/words.ts";
import { type Finding, found, type Subject } from "./rule.ts";

export const TITLE_WIDTH = { least: 30, most: 60 };
export const DESCRIPTION_WIDTH = { least: 70, most: 160 };

export function metadata({ facts }: Subject): Finding[] {
  return [
    ...title(facts.titles),
    ...description(facts.descriptions),
    ...language(facts.language),
    ...(facts.viewport ? [] : [found("viewport_missing", "no viewport is named")]),
    ...openGraph(facts.openGraph),
  ];
}

function title(titles: readonly string[]): Finding[] {
  const named = titles.filter(Boolean);
  const [first] = named;
  if (first === undefined) return [found("title_missing", "it has no title")];
  const many =
    named.length > 1 ? [found("title_multiple", `it has ${named.length} titles`, { titles: named })] : [];
  return [...many, ...width("title_length", "title", first, TITLE_WIDTH)];
}

function description(descriptions: readonly string[]): Finding[] {
  const first = descriptions.find(Boolean);
  if (first === undefined) return [found("description_missing", "it has no description")];
  return width("description_length", "description", first, DESCRIPTION_WIDTH);
}

function width(
  rule: "title_length" | "description_length",
  what: string,
  text: string,
  { least, most }: { least: number; most: number },
): Finding[] {
  const wide = widthOf(text);
  if (wide >= least && wide <= most) return [];
  const words = wide < least ? `shorter than ${least}` : `longer than ${most}: search engines cut it`;
  // A little beside the bounds is half as bad as far away from them.
  const far = wide < least ? (least - wide) / least : (wide - most) / most;
  return [
    found(
      rule,
      `the ${what} has ${wide} characters, ${words}`,
      { [what]: text, characters: wide },
      far > 0.25 ? 1 : 0.5,
    ),
  ];
}

/** Characters as a result page counts them: those of Chinese, Japanese and Korean take the room of two. */
export function widthOf(text: string): number {
  let wide = 0;
  for (const char of text)
    wide += /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60]/.test(char)
      ? 2
      : 1;
  return wide;
}

function language(tag: string | null): Finding[] {
  if (tag === null) return [found("language_missing", "the html element names no language")];
  if (isLanguage(tag)) return [];
  return [found("language_missing", `"${tag}" is no language tag`, { language: tag })];
}

const OPEN_GRAPH = ["og:title", "og:type", "og:url", "og:description"];

function openGraph(given: Record<string, string>): Finding[] {
  const missing = OPEN_GRAPH.filter((name) => !given[name]);
  if (missing.length === 0) return [];
  return [
    found(
      "open_graph",
      `${missing.join(", ")} ${missing.length > 1 ? "are" : "is"} missing`,
      { missing },
      missing.length / OPEN_GRAPH.length,
    ),
  ];
}

/** Owns an article as the claims it makes, each with the sources that it names. Judges none. */
import type { Draft } from "../writing/draft.ts";

export interface Claim {
  /** Without links and marks. */
  text: string;
  /** Indices of sources, from 0; empty where it names none. */
  sources: number[];
}

const CITATIONS = /(?:\s*\[\d{1,2}\]\(#source-\d{1,2}\))+/g;

/** What the article says, in reading order: summary, lead, key facts, and what stands before each citation. */
export function claimsOf(draft: Draft): Claim[] {
  const facts = draft.keyFacts.map(({ text, source }) => ({
    text,
    sources: source === null ? [] : [source],
  }));
  return [
    ...(draft.summary === "" ? [] : [{ text: draft.summary, sources: [] }]),
    ...claimsIn(draft.lead),
    ...facts,
    ...draft.sections.flatMap((section) => claimsIn(section.markdown)),
  ];
}

/** The article as plain text with its claims numbered from 1, for who has to speak of them. */
export function numberedText(draft: Draft): string {
  let number = 0;
  const say = ({ text, sources }: Claim) => {
    number++;
    return `(${number}) ${text}${sources.length ? ` [${sources.map((i) => i + 1).join(", ")}]` : ""}`;
  };
  const { title, summary, lead, keyFacts, sections } = draft;
  const opening = claimsOf({ ...draft, keyFacts, sections: [], title, summary, lead }).map(say);
  const body = sections.flatMap((section) => [
    `## ${section.heading}`,
    ...claimsIn(section.markdown).map(say),
  ]);
  return [`# ${title}`, ...opening, ...body].join("\n");
}

function claimsIn(markdown: string): Claim[] {
  const blocks = markdown.split(/\n{2,}|\n(?=[-*+]\s|\d+\.\s)/);
  return blocks.flatMap((block) => {
    const claims: Claim[] = [];
    let from = 0;
    for (const match of block.matchAll(CITATIONS)) {
      const sources = [...match[0].matchAll(/#source-(\d{1,2})/g)].map(([, number]) => Number(number) - 1);
      claims.push({ text: unmarked(block.slice(from, match.index)), sources });
      from = match.index + match[0].length;
    }
    claims.push({ text: unmarked(block.slice(from)), sources: [] });
    return claims.filter(({ text }) => /[\p{L}\p{N}]/u.test(text));
  });
}

/** Markdown as a reader reads it: without links, list marks and emphasis. */
export function unmarked(markdown: string): string {
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

/** Advises on titles and descriptions: a model's proposal where there is one, else the article's own words. */
import { keyOf, sentencesOf, stemOf, wordsOf } from "../language/words.ts";
import type { OwnArticle } from "../library.ts";
import type { RuleId } from "../rules/catalog.ts";
import { DESCRIPTION_WIDTH, TITLE_WIDTH, widthOf } from "../rules/metadata.ts";
import type { Subject } from "../rules/rule.ts";
import { type Advice, BY_RULE, descriptionOf, type Suggestions } from "./advice.ts";

const TITLE_RULES: RuleId[] = ["title_length", "keyword_title", "keyword_h1", "title_duplicate"];
const DESCRIPTION_RULES: RuleId[] = [
  "description_missing",
  "description_length",
  "keyword_description",
  "description_duplicate",
];

/** A title that fits, if one is at hand and mends something. */
export function titleAdvice(
  subject: Subject,
  broken: ReadonlySet<string>,
  suggested: Suggestions | null,
): Advice[] {
  const { article } = subject;
  const wanted = TITLE_RULES.filter((rule) => broken.has(rule));
  if (!article || wanted.length === 0) return [];
  const candidates = [
    ...(suggested?.title ? [{ text: suggested.title, basis: suggested.basis }] : []),
    ...shorterTitles(article.title).map((text) => ({ text, basis: BY_RULE })),
  ];
  for (const { text, basis } of candidates) {
    if (text === article.title || !fits(text, TITLE_WIDTH)) continue;
    const named = names(text, subject);
    // A better length is not worth losing the keyword.
    if (!named && names(article.title, subject)) continue;
    const rules = wanted.filter((rule) => (rule.startsWith("keyword") ? named : true));
    if (rules.length === 0) continue;
    const changes = [{ field: "title" as const, before: article.title, after: text }];
    return [{ rules, detail: `Title: “${text}”`, changes, basis, share: 1 }];
  }
  return [];
}

/** What stands before a colon, a dash or a bar often is the title proper. */
function shorterTitles(title: string): string[] {
  const cuts = [...title.matchAll(/\s*(?::|\s[–—|-])\s+|;\s+|\s+\(/g)].map(({ index }) => index);
  return cuts.reverse().map((end) => title.slice(0, end).trim());
}

/** A description that fits, if one is at hand and mends something. */
export function descriptionAdvice(
  subject: Subject,
  broken: ReadonlySet<string>,
  suggested: Suggestions | null,
): Advice[] {
  const { article } = subject;
  const wanted = DESCRIPTION_RULES.filter((rule) => broken.has(rule));
  if (!article || wanted.length === 0) return [];
  const before = descriptionOf(article);
  const own = [...ownDescriptions(article, subject)].filter((text) => text !== before);
  const candidates = [
    ...(suggested?.description ? [{ text: suggested.description, basis: suggested.basis }] : []),
    // One that names the keyword is better than one that does not.
    ...[...own.filter((text) => names(text, subject)), ...own].map((text) => ({ text, basis: BY_RULE })),
  ];
  for (const { text, basis } of candidates) {
    if (text === before || !fits(text, DESCRIPTION_WIDTH)) continue;
    const named = names(text, subject);
    if (!named && names(before, subject)) continue;
    const rules = wanted.filter((rule) => (rule === "keyword_description" ? named : true));
    if (rules.length === 0) continue;
    const changes = [{ field: "description" as const, before, after: text }];
    return [{ rules, detail: `Description: “${text}”`, changes, basis, share: 1 }];
  }
  return [];
}

/** Runs of whole sentences of the summary and the text, and what a long sentence says first. */
function* ownDescriptions(article: OwnArticle, { facts, language }: Subject): Generator<string> {
  const { least, most } = DESCRIPTION_WIDTH;
  const sentences = [article.summary, ...facts.paragraphs.slice(0, 12)]
    .flatMap((text) => sentencesOf(text, language))
    .slice(0, 40);
  for (let i = 0; i < sentences.length; i++) {
    let run = sentences[i]!;
    for (let j = i + 1; widthOf(run) < least && j < sentences.length; j++) run = `${run} ${sentences[j]!}`;
    if (widthOf(run) <= most) yield run;
    else yield* clauses(run, most);
  }
}

/** A sentence cut at a clause's end, else at a word, with an ellipsis to say so. */
function* clauses(sentence: string, most: number): Generator<string> {
  const room = sentence.slice(0, most - 1);
  const clause = Math.max(room.lastIndexOf(", "), room.lastIndexOf("; "), room.lastIndexOf(" – "));
  const end = clause > most / 2 ? clause : room.lastIndexOf(" ");
  if (end > 0)
    yield `${room
      .slice(0, end)
      .replace(/[,;:–—-]+$/, "")
      .trim()}…`;
}

function fits(text: string, { least, most }: { least: number; most: number }): boolean {
  const wide = widthOf(text);
  return wide >= least && wide <= most;
}

/** Whether a text names the main keyword. */
function names(text: string, { keywords, language }: Subject): boolean {
  const [keyword] = keywords;
  if (!keyword) return false;
  const own = new Set(wordsOf(text).map((word) => stemOf(word, language)));
  return keyOf(keyword, language)
    .split(" ")
    .every((stem) => own.has(stem));
}

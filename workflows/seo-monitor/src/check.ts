/** Owns the audit of a page that was read: every rule, the score and what was measured. Pure; fetches and keeps nothing. */
import { readabilityOf } from "./language/readability.ts";
import { wordsOf } from "./language/words.ts";
import type { Fetched, Json } from "./page/facts.ts";
import type { Part } from "./rules/catalog.ts";
import { content } from "./rules/content.ts";
import { indexing, obstacleOf } from "./rules/indexing.ts";
import { keywords, keywordUse } from "./rules/keywords.ts";
import { links } from "./rules/links.ts";
import { metadata } from "./rules/metadata.ts";
import type { Finding, Subject } from "./rules/rule.ts";
import { structure } from "./rules/structure.ts";
import { structuredData } from "./rules/structured-data.ts";
import { uniqueness } from "./rules/uniqueness.ts";
import { ALL_PARTS, type Score, scoreOf } from "./score.ts";

export interface Checked extends Score {
  findings: Finding[];
  measured: Part[];
  measures: Record<string, Json>;
}

/** The audit of a page that could not be read: only that is known. */
export function checkUnread(fetched: Fetched): Checked {
  const findings = obstacleOf(fetched);
  const measured: Part[] = ["indexing"];
  const { url, status, bytes, redirects } = fetched;
  return {
    ...scoreOf(findings, measured),
    findings,
    measured,
    measures: { url, status, bytes, redirects: redirects.length },
  };
}

/** The audit of a page. The same subject always has the same. */
export function checkPage(subject: Subject): Checked {
  const findings = [
    ...indexing(subject),
    ...metadata(subject),
    ...structure(subject),
    ...keywords(subject),
    ...links(subject),
    ...structuredData(subject),
    ...content(subject),
    ...uniqueness(subject),
  ];
  const known = keywordUse(subject) !== null;
  const measured = ALL_PARTS.filter((part) => part !== "keywords" || known);
  return { ...scoreOf(findings, measured), findings, measured, measures: measuresOf(subject) };
}

function measuresOf(subject: Subject): Record<string, Json> {
  const { fetched, facts, language, checks, unchecked } = subject;
  const use = keywordUse(subject);
  const readability = readabilityOf(facts.paragraphs, language);
  const tally: Record<string, number> = {};
  for (const { outcome } of checks) tally[outcome] = (tally[outcome] ?? 0) + 1;
  return {
    status: fetched.status,
    bytes: fetched.bytes,
    redirects: fetched.redirects.length,
    language,
    words: wordsOf(facts.text).length,
    headings: facts.headings.length,
    images: facts.images.length,
    internal_links: facts.links.filter(({ internal }) => internal).length,
    external_links: facts.links.filter(({ internal }) => !internal).length,
    links_checked: { ...tally, left_out: unchecked },
    keyword: use && {
      ...{ keyword: use.keyword, count: use.count, percent: Number((use.density * 100).toFixed(2)) },
      ...{ in_title: use.inTitle, in_h1: use.inH1, in_intro: use.inIntro, in_description: use.inDescription },
    },
    readability: readability && {
      ...{ method: readability.method, value: readability.value, ease: readability.ease },
      mean_sentence_words: readability.meanSentenceWords,
      long_sentences: readability.longSentences,
    },
  };
}

/** Owns the writer that needs no model: it extracts and arranges. Never writes a sentence that is not in the brief or a source. */
import type { Topic } from "../topic.ts";
import { type Draft, type Quote, quoteAfter, type Section, type Writer } from "./draft.ts";
import { nameSections } from "./headings.ts";
import { citationOf, escapeMarkdown } from "./markdown.ts";
import { leansOnPrevious, readMaterial, type Sentence } from "./material.ts";
import { type Block, blocksOf, sectionsOf } from "./outline.ts";
import { type Ranking, rankSentences } from "./ranking.ts";
import { countWords, sentencesOf } from "./sentences.ts";

export const OFFLINE_GENERATOR = "offline-extractive";

const MAX_WORDS = 1000;
/** Up to this much material is kept whole: leaving sentences out would only tear it. */
const KEEP_ALL_WORDS = 550;
const MAX_SUMMARY_CHARS = 280;

/** The writer that works without any provider. Deterministic: one topic, one article. */
export const offlineWriter: Writer = {
  generator: OFFLINE_GENERATOR,
  write: (topic, _names, _outline, signal) => composeOffline(topic, signal),
};

/** Rejects only when `signal` is aborted: any valid topic gives an article, however short. */
export async function composeOffline(topic: Topic, signal: AbortSignal): Promise<Draft> {
  const material = await readMaterial(topic, signal);
  const brief = readBrief(topic);
  if (material.length === 0) return fromBriefAlone(topic);
  const ranking = rankSentences(topic, material);
  const opening = open(brief, material, ranking);
  const left = material.filter((sentence) => !opening.used.has(sentence.position));
  const chosen = choose(left, ranking, opening.used);
  const sections = sectionsOf(blocksOf(chosen, ranking.vectors));
  const headings = nameSections(topic, sections);
  const keyFacts = pickKeyFacts(chosen, ranking);
  const pullQuote = pickPullQuote(chosen, sections, ranking, keyFacts);
  return {
    title: topic.title,
    summary: opening.summary,
    lead: opening.lead,
    sections: sections.map((blocks, i): Section => ({ heading: headings[i]!, markdown: paragraphs(blocks) })),
    keyFacts: keyFacts.map(asQuote),
    pullQuote: pullQuote && asQuote(pullQuote),
    citations: sections.map((blocks) =>
      asQuote(
        strongest(
          blocks.flatMap((each) => each.sentences),
          ranking,
        ),
      ),
    ),
    generator: OFFLINE_GENERATOR,
  };
}

/** Nothing but a brief: a short article that says no more than the brief does. */
function fromBriefAlone(topic: Topic): Draft {
  const sentences = sentencesOf(topic.brief, topic.language);
  const [summary, rest] = splitSummary(sentences.length ? sentences : [topic.brief]);
  return {
    title: topic.title,
    summary,
    lead: rest.map(escapeMarkdown).join(" "),
    sections: [],
    keyFacts: [],
    pullQuote: null,
    citations: [],
    generator: OFFLINE_GENERATOR,
  };
}

const INSTRUCTION =
  /^(?:please\s+)?(?:add|address|aim|analy[sz]e|answer|avoid|be|begin|break|compare|cover|create|define|describe|detail|discuss|do|don't|draft|emphasi[sz]e|end|ensure|examine|explain|explore|finish|focus|follow|give|guide|help|highlight|identify|illustrate|include|introduce|invite|keep|leave|let|list|look|make|map|mention|offer|outline|point|portray|present|produce|profile|prove|provide|put|reassure|reconstruct|recount|report|retell|reveal|review|set out|show|sketch|start|state|stick|summari[sz]e|take|talk|teach|tell|trace|turn|use|walk|weigh|write)\b/i;
const ABOUT_THE_TEXT =
  /^(?:the|this) (?:article|piece|post|text|guide)\b|\bfor (?:an? |the )?(?:[\w-]+ ){0,3}(?:readers?|audience|beginners|anyone)\b|\b(?:the|this|our|your) (?:article|piece|post|text|story|guide) (?:should|must|needs|has to|will)\b|^(?:audience|tone|style|length|format|target|keywords?)\s*:|\b\d+\s*(?:-\s*\d+\s*)?words\b|\breaders? (?:should|want|need)/i;

/** The sentences of the brief that say something; what it tells the writer to do is not for the reader. */
function readBrief(topic: Topic): string[] {
  return sentencesOf(topic.brief, topic.language).filter(
    (sentence) => !INSTRUCTION.test(sentence) && !ABOUT_THE_TEXT.test(sentence) && countWords(sentence) >= 4,
  );
}

interface Opening {
  summary: string;
  lead: string;
  /** Positions of the sentences of the material that stand in it. */
  used: Set<number>;
}

/** The brief opens the article; where it only gives orders, the sentence of the sources that says most does. */
function open(brief: readonly string[], material: readonly Sentence[], ranking: Ranking): Opening {
  if (brief.length > 0) {
    const [summary, rest] = splitSummary(brief);
    return { summary, lead: rest.map(escapeMarkdown).join(" "), used: new Set() };
  }
  const fit = material.filter(canOpen);
  const firsts = fit.filter((sentence) => material[sentence.position - 1]?.source !== sentence.source);
  const first = best(firsts, ranking) ?? best(fit, ranking) ?? best(material, ranking)!;
  return { summary: first.text, lead: "", used: new Set([first.position]) };
}

function canOpen(sentence: Sentence): boolean {
  return (
    sentence.opensParagraph && sentence.text.length <= MAX_SUMMARY_CHARS && !leansOnPrevious(sentence.text)
  );
}

/** As many whole sentences as fit into a summary; at least one. */
function splitSummary(sentences: readonly string[]): [summary: string, rest: string[]] {
  let taken = 1;
  let length = sentences[0]!.length;
  while (
    taken < Math.min(2, sentences.length) &&
    length + 1 + sentences[taken]!.length <= MAX_SUMMARY_CHARS
  ) {
    length += 1 + sentences[taken]!.length;
    taken++;
  }
  return [sentences.slice(0, taken).join(" "), sentences.slice(taken)];
}

/**
 * The best sentences up to the length of an article, in reading order. A sentence that leans on the
 * one before it brings that one along, so that no "it" is left without what it stands for.
 */
function choose(material: readonly Sentence[], ranking: Ranking, used: ReadonlySet<number>): Sentence[] {
  const total = material.reduce((sum, sentence) => sum + sentence.words, 0);
  if (total <= KEEP_ALL_WORDS) return dropOrphans(material, used);
  const budget = Math.min(MAX_WORDS, Math.max(KEEP_ALL_WORDS, Math.round(total * 0.6)));
  const byPosition = new Map(material.map((sentence) => [sentence.position, sentence]));
  const taken = new Set<number>();
  let words = 0;
  for (const sentence of [...material].sort(
    (a, b) => scoreOf(ranking, b) - scoreOf(ranking, a) || a.position - b.position,
  )) {
    const needed = withSupport(sentence, byPosition).filter((each) => !taken.has(each.position));
    const cost = needed.reduce((sum, each) => sum + each.words, 0);
    if (needed.length === 0 || words + cost > budget) continue;
    for (const each of needed) taken.add(each.position);
    words += cost;
  }
  return dropOrphans(
    material.filter((sentence) => taken.has(sentence.position)),
    used,
  );
}

function withSupport(sentence: Sentence, byPosition: ReadonlyMap<number, Sentence>): Sentence[] {
  const needed = [sentence];
  while (leansOnPrevious(needed[0]!.text) && !needed[0]!.opensParagraph && needed.length < 4) {
    const before = byPosition.get(needed[0]!.position - 1);
    if (!before || before.paragraph !== sentence.paragraph) break;
    needed.unshift(before);
  }
  return needed;
}

/** A leaning sentence whose support was left out cannot stand; the summary supports what followed it. */
function dropOrphans(chosen: readonly Sentence[], used: ReadonlySet<number>): Sentence[] {
  const kept: Sentence[] = [];
  for (const sentence of chosen) {
    const previous = kept.at(-1);
    const supported =
      used.has(sentence.position - 1) ||
      (previous?.paragraph === sentence.paragraph && previous.position === sentence.position - 1);
    if (supported || sentence.opensParagraph || !leansOnPrevious(sentence.text)) kept.push(sentence);
  }
  return kept;
}

function paragraphs(blocks: readonly Block[]): string {
  return blocks
    .map(({ sentences }) => {
      const text = sentences.map((sentence) => sentence.text).join(" ");
      return `${escapeMarkdown(text)}${citationOf(sentences[0]!.source)}`;
    })
    .join("\n\n");
}

/** Numbers with a unit, a currency or a sign; a bare year is a date, not a fact to take away. */
const FIGURE =
  /[$€£¥]\s?\d|\d(?:[\d.,]*\d)?\s?(?:%|°|per ?cent|percent|percentage|times\b|million|billion|trillion|thousand|hundred|degrees?|years?\b|months?\b|weeks?\b|days?\b|hours?\b|minutes?\b|seconds?\b|people|[kMGT]?Wh?\b|[kcm]m\b|kg\b|tonnes?|tons?|metres?|meters?|kilomet|miles?|feet|litres?|liters?|dollars|euros|pounds)|\b\d{1,3}(?:,\d{3})+\b/i;

function pickKeyFacts(chosen: readonly Sentence[], ranking: Ranking): Sentence[] {
  if (chosen.length < 8) return [];
  const room = Math.min(5, Math.floor(chosen.length / 4));
  // What opens the text stands right below the list: it need not be said twice in a row.
  const facts = chosen
    .slice(2)
    .filter(
      (sentence) => FIGURE.test(sentence.text) && sentence.words <= 32 && !leansOnPrevious(sentence.text),
    );
  const picked = [...facts].sort(
    (a, b) => scoreOf(ranking, b) - scoreOf(ranking, a) || a.position - b.position,
  );
  // One fact is not a list.
  return picked.length < 2 ? [] : picked.slice(0, room).sort((a, b) => a.position - b.position);
}

function pickPullQuote(
  chosen: readonly Sentence[],
  sections: readonly Block[][],
  ranking: Ranking,
  keyFacts: readonly Sentence[],
): Sentence | null {
  if (chosen.length < 10 || sections.length < 2) return null;
  // The reader has just met the first lines, and meets those of the next section right below the quote.
  const next = new Set((sections[quoteAfter(sections.length) + 1] ?? []).flatMap((block) => block.sentences));
  const candidates = chosen
    .slice(3)
    .filter(
      (sentence) =>
        sentence.words >= 9 &&
        sentence.words <= 28 &&
        !keyFacts.includes(sentence) &&
        !next.has(sentence) &&
        !leansOnPrevious(sentence.text) &&
        !/[();:]/.test(sentence.text),
    );
  return best(candidates, ranking);
}

function strongest(sentences: readonly Sentence[], ranking: Ranking): Sentence {
  return best(sentences, ranking)!;
}

function best(sentences: readonly Sentence[], ranking: Ranking): Sentence | null {
  return sentences.reduce<Sentence | null>(
    (top, sentence) => (top === null || scoreOf(ranking, sentence) > scoreOf(ranking, top) ? sentence : top),
    null,
  );
}

function scoreOf(ranking: Ranking, sentence: Sentence): number {
  return ranking.scores[sentence.position]!;
}

function asQuote(sentence: Sentence): Quote {
  return { text: sentence.text, source: sentence.source };
}

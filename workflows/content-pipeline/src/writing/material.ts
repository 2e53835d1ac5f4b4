/** Owns the sentences that an article may be made of: read from the sources, tidied, without repeats. Ranks nothing. */
import { setImmediate as yieldToOthers } from "node:timers/promises";
import type { Topic } from "../topic.ts";
import { readSources } from "./reading.ts";
import { contentWords, countWords, type Paragraph } from "./sentences.ts";

/** One sentence of a source, and where it stands there. */
export interface Sentence {
  text: string;
  /** Index into the topic's sources. */
  source: number;
  /** Counts through all sources: two sentences with the same number stand in one paragraph. */
  paragraph: number;
  /** Counts through all sources, in reading order. */
  position: number;
  /** The heading that its source puts over its paragraph; only on the paragraph's first sentence. */
  heading: string | null;
  opensParagraph: boolean;
  words: number;
  content: string[];
}

const MAX_SENTENCES = 3000;
const REPEAT = 0.75;

const BOILERPLATE =
  /\b(?:cookies?|javascript|subscribe|newsletter|sign up|log ?in|all rights reserved|privacy policy|terms of (?:use|service)|click here|read more|share this|follow us|advertisement|retrieved \d|isbn|doi:)\b|©/i;

/**
 * Reads the sources in their order, as far as `readSources` goes, and keeps the sentences that can
 * stand in an article. Of two that say nearly the same, the first stays.
 */
export async function readMaterial(topic: Topic, signal: AbortSignal): Promise<Sentence[]> {
  const sentences: Sentence[] = [];
  const seen = new Map<string, number[]>();
  let paragraph = 0;
  for (const { source, paragraphs } of readSources(topic)) {
    signal.throwIfAborted();
    for (const each of paragraphs) {
      if (sentences.length >= MAX_SENTENCES) return sentences;
      addParagraph(each, { source, paragraph: paragraph++ }, sentences, seen);
    }
    // Reading is a matter of milliseconds, but this process has other things to do in between.
    await yieldToOthers();
  }
  return sentences;
}

function addParagraph(
  paragraph: Paragraph,
  place: { source: number; paragraph: number },
  sentences: Sentence[],
  seen: Map<string, number[]>,
): void {
  let opens = true;
  for (const text of paragraph.sentences) {
    const content = contentWords(text);
    const words = countWords(text);
    if (!isUsable(text, words, content) || isRepeat(content, sentences, seen)) continue;
    const position = sentences.length;
    sentences.push({
      ...place,
      text,
      position,
      heading: opens ? paragraph.heading : null,
      opensParagraph: opens,
      words,
      content,
    });
    for (const word of new Set(content)) seen.set(word, [...(seen.get(word) ?? []), position]);
    opens = false;
  }
}

function isUsable(text: string, words: number, content: readonly string[]): boolean {
  if (words < 4 || words > 70 || content.length < 2) return false;
  if (!/[.!?…]["'”’)\]]*$/.test(text)) return false;
  if (/^["“]?\s*[a-z]/.test(text) && !/^["“]?(?:e|i)[A-Z]/.test(text)) return false;
  const letters = text.match(/\p{L}/gu)?.length ?? 0;
  return letters / text.length > 0.55 && !BOILERPLATE.test(text);
}

/** Compares only with sentences that share a rare word: the list of a word stays short enough to walk. */
function isRepeat(
  content: readonly string[],
  sentences: readonly Sentence[],
  seen: Map<string, number[]>,
): boolean {
  const own = new Set(content);
  const shared = new Map<number, number>();
  for (const word of own) {
    const places = seen.get(word);
    if (!places || places.length > 200) continue;
    for (const place of places) shared.set(place, (shared.get(place) ?? 0) + 1);
  }
  for (const [place, count] of shared) {
    const other = new Set(sentences[place]!.content).size;
    if (count / (own.size + other - count) >= REPEAT) return true;
  }
  return false;
}

/** Whether a sentence leans on the one before it, so that alone it would hang in the air. */
export function leansOnPrevious(text: string): boolean {
  return LEANING.test(text);
}
const LEANING =
  /^["“]?(?:this|that|these|those|it|its|they|their|he|his|she|her|such|but|and|or|so|yet|however|instead|thus|therefore|hence|moreover|furthermore|also|then|still|nevertheless|nonetheless|similarly|likewise|consequently|as a result|for example|for instance|in contrast|by contrast|in addition|on the other hand|both|another|the (?:former|latter|same)|here|there)\b/i;

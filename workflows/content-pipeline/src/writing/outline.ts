/** Owns how chosen sentences become paragraphs and sections, in the order of their sources. Names no section. */
import type { Sentence } from "./material.ts";
import { cosine, directionOf, type Vector } from "./ranking.ts";

/** Sentences that stand together as one paragraph; all from one source. */
export interface Block {
  sentences: Sentence[];
  words: number;
  direction: Vector;
  /** What the source calls this passage. */
  heading: string | null;
}

const MAX_SENTENCES_PER_BLOCK = 5;
const MIN_BLOCK_WORDS = 45;
const WORDS_PER_SECTION = 110;
const MAX_SECTIONS = 6;
const MIN_SECTIONS = 3;
/** Below this there is too little to part into three. */
const SHORT_ARTICLE_WORDS = 180;

/** Joins the sentences of a paragraph; splits long paragraphs and joins stray sentences to their neighbours. */
export function blocksOf(chosen: readonly Sentence[], vectors: readonly Vector[]): Block[] {
  const groups: Sentence[][] = [];
  for (const sentence of chosen) {
    const last = groups.at(-1);
    if (last && belongs(last, sentence)) last.push(sentence);
    else groups.push([sentence]);
  }
  return groups.map((sentences) => ({
    sentences,
    words: sentences.reduce((sum, each) => sum + each.words, 0),
    direction: directionOf(sentences.map((each) => vectors[each.position]!)),
    heading: sentences[0]!.heading,
  }));
}

function belongs(group: readonly Sentence[], next: Sentence): boolean {
  const last = group.at(-1)!;
  if (last.source !== next.source || next.heading !== null) return false;
  if (last.paragraph === next.paragraph) return group.length < MAX_SENTENCES_PER_BLOCK;
  const words = group.reduce((sum, each) => sum + each.words, 0);
  return words + next.words < MIN_BLOCK_WORDS;
}

/**
 * Parts the blocks, in their order, into 3–6 sections of like length (fewer for a short article),
 * where the subject changes most: at a heading or a new source, or where two blocks share least.
 */
export function sectionsOf(blocks: readonly Block[]): Block[][] {
  const words = blocks.reduce((sum, block) => sum + block.words, 0);
  const wanted =
    words < SHORT_ARTICLE_WORDS
      ? Math.max(1, Math.round(words / 90))
      : Math.min(MAX_SECTIONS, Math.max(MIN_SECTIONS, Math.round(words / WORDS_PER_SECTION)));
  const count = Math.min(blocks.length, wanted);
  if (count <= 1) return blocks.length ? [[...blocks]] : [];
  const cuts = bestCuts(blocks, count, words / count);
  return cuts.map((from, i) => blocks.slice(from, cuts[i + 1] ?? blocks.length));
}

/** Dynamic programming over "the first `end` blocks in `n` sections"; returns where each section starts. */
function bestCuts(blocks: readonly Block[], count: number, target: number): number[] {
  const lengths = prefixSums(blocks.map((block) => block.words));
  const joints = blocks.map((block, i) => (i === 0 ? 0 : jointCost(blocks[i - 1]!, block)));
  let costs = lengths.map((length, end) =>
    end === 0 ? Number.POSITIVE_INFINITY : unevenness(length, target),
  );
  const starts: number[][] = [lengths.map(() => 0)];
  for (let n = 2; n <= count; n++) {
    const previous = costs;
    const from = lengths.map(() => 0);
    costs = lengths.map((length, end) => {
      let best = Number.POSITIVE_INFINITY;
      for (let start = n - 1; start < end; start++) {
        const cost = previous[start]! + joints[start]! + unevenness(length - lengths[start]!, target);
        if (cost < best) {
          best = cost;
          from[end] = start;
        }
      }
      return best;
    });
    starts.push(from);
  }
  const cuts: number[] = [];
  for (let n = count, end = blocks.length; n >= 1; n--) {
    end = starts[n - 1]![end]!;
    cuts.unshift(end);
  }
  return cuts;
}

function unevenness(words: number, target: number): number {
  const share = words / target - 1;
  return share * share;
}

function jointCost(before: Block, after: Block): number {
  const change = before.sentences[0]!.source === after.sentences[0]!.source ? 0 : 0.5;
  return cosine(before.direction, after.direction) * 2 - change - (after.heading ? 0.8 : 0);
}

function prefixSums(values: readonly number[]): number[] {
  const sums = [0];
  for (const value of values) sums.push(sums.at(-1)! + value);
  return sums;
}

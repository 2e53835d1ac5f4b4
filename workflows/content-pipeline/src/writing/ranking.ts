/** Owns how much each sentence matters to its topic: centrality in the material and nearness to what was asked for. */
import type { Topic } from "../topic.ts";
import type { Sentence } from "./material.ts";
import { contentWords } from "./sentences.ts";

/** A text as weighted words, of length one. */
export type Vector = ReadonlyMap<string, number>;

export interface Ranking {
  /** By position: 0–1, higher matters more. */
  scores: number[];
  /** By position. */
  vectors: Vector[];
}

const MAX_GRAPH = 300;
const DAMPING = 0.85;
const ROUNDS = 30;
const WEIGHTS = { centrality: 0.5, query: 0.35, place: 0.15 };

/** Scores every sentence. Deterministic: the same material gives the same numbers. */
export function rankSentences(topic: Topic, sentences: readonly Sentence[]): Ranking {
  const rarity = inverseFrequency(sentences);
  const vectors = sentences.map((sentence) => weigh(sentence.content, rarity));
  const centroid = normalize(sumOf(vectors));
  const nearness = vectors.map((vector) => cosine(vector, centroid));
  const central = graphCentrality(vectors, nearness);
  const asked = weigh(
    [...contentWords(topic.title), ...contentWords(topic.brief), ...topic.keywords.flatMap(contentWords)],
    rarity,
  );
  const query = scaled(vectors.map((vector) => cosine(vector, asked)));
  const scores = sentences.map(
    (sentence, i) =>
      WEIGHTS.centrality * central[i]! + WEIGHTS.query * query[i]! + WEIGHTS.place * placeValue(sentence),
  );
  return { scores, vectors };
}

/** Opening sentences of paragraphs carry their point. */
function placeValue(sentence: Sentence): number {
  return sentence.opensParagraph ? 1 : 0.3;
}

function inverseFrequency(sentences: readonly Sentence[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { content } of sentences) {
    for (const word of new Set(content)) counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  return new Map([...counts].map(([word, count]) => [word, Math.log(1 + sentences.length / count)]));
}

function weigh(words: readonly string[], rarity: ReadonlyMap<string, number>): Vector {
  const weights = new Map<string, number>();
  for (const word of words) {
    const weight = rarity.get(word);
    if (weight !== undefined) weights.set(word, (weights.get(word) ?? 0) + weight);
  }
  return normalize(weights);
}

/** The sum of vectors, as a vector of length one. */
export function directionOf(vectors: readonly Vector[]): Vector {
  return normalize(sumOf(vectors));
}

function sumOf(vectors: readonly Vector[]): Map<string, number> {
  const sum = new Map<string, number>();
  for (const vector of vectors) {
    for (const [word, weight] of vector) sum.set(word, (sum.get(word) ?? 0) + weight);
  }
  return sum;
}

function normalize(weights: ReadonlyMap<string, number>): Vector {
  let square = 0;
  for (const weight of weights.values()) square += weight * weight;
  const length = Math.sqrt(square);
  return length === 0 ? new Map() : new Map([...weights].map(([word, weight]) => [word, weight / length]));
}

/** 0–1 for two vectors of length one. */
export function cosine(a: Vector, b: Vector): number {
  const [small, large] = a.size <= b.size ? [a, b] : [b, a];
  let product = 0;
  for (const [word, weight] of small) product += weight * (large.get(word) ?? 0);
  return product;
}

/**
 * TextRank over the sentences nearest to the centre (its cost is quadratic, so at most 300 stand in
 * the graph); the others keep a share of their nearness.
 */
function graphCentrality(vectors: readonly Vector[], nearness: readonly number[]): number[] {
  const inGraph = [...vectors.keys()]
    .sort((a, b) => nearness[b]! - nearness[a]! || a - b)
    .slice(0, MAX_GRAPH);
  const size = inGraph.length;
  const edges = inGraph.map((a) =>
    Float64Array.from(inGraph, (b) => (a === b ? 0 : cosine(vectors[a]!, vectors[b]!))),
  );
  const out = edges.map((row) => row.reduce((sum, weight) => sum + weight, 0));
  let rank = new Float64Array(size).fill(1 / size);
  for (let round = 0; round < ROUNDS; round++) {
    const next = new Float64Array(size).fill((1 - DAMPING) / size);
    for (let from = 0; from < size; from++) {
      if (out[from] === 0) continue;
      const share = (DAMPING * rank[from]!) / out[from]!;
      for (let to = 0; to < size; to++) next[to]! += share * edges[from]![to]!;
    }
    rank = next;
  }
  const inGraphScores = scaled([...rank]);
  const scores = scaled([...nearness]).map((value) => value * 0.5);
  for (const [i, position] of inGraph.entries()) scores[position] = inGraphScores[i]!;
  return scores;
}

function scaled(values: readonly number[]): number[] {
  let highest = 0;
  for (const value of values) if (value > highest) highest = value;
  return highest === 0 ? values.map(() => 0) : values.map((value) => value / highest);
}

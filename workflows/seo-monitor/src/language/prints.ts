/** Owns what near-duplicates are told by: MinHash over word shingles, and keys of titles and keywords. Pure; keeps nothing. */
import { keyOf, wordsOf } from "./words.ts";

/** Estimates of a Jaccard similarity of one half are right within 0.09 nineteen times of twenty. */
export const HASHES = 128;
/** Two texts share a band with probability 0.87 from a similarity of 0.5 on, 0.99 from 0.6 on (Broder; Leskovec et al.). */
export const BANDS = 32;
const ROWS = HASHES / BANDS;
const SHINGLE_WORDS = 4;
/** Below this a text is too short to be a copy of anything. */
const MIN_SHINGLES = 40;
const MAX_WORDS = 20_000;

export interface Prints {
  language: string;
  titleKey: string;
  descriptionKey: string;
  /** The key of the first keyword; empty without any. */
  mainKeyword: string;
  /** Keys of all keywords, each once. */
  keywords: string[];
  /** The least hash of the text's shingles under each of 128 functions; empty for a short text. */
  signature: number[];
  /** What near-duplicates share at least one of: indexed by the store. */
  bands: number[];
}

export interface Printable {
  title: string;
  description: string;
  keywords: readonly string[];
  language: string;
  text: string;
}

/** The prints of a text; the same text always has the same. */
export function printsOf({ title, description, keywords, language, text }: Printable): Prints {
  const keys = keywords.map((keyword) => keyOf(keyword, language)).filter(Boolean);
  const signature = signatureOf(wordsOf(text).slice(0, MAX_WORDS));
  return {
    language,
    titleKey: wordsOf(title).join(" ").slice(0, 500),
    descriptionKey: wordsOf(description).join(" ").slice(0, 500),
    mainKeyword: keys[0] ?? "",
    keywords: [...new Set(keys)].slice(0, 50),
    signature,
    bands: bandsOf(signature),
  };
}

/** How much of two texts is the same, 0 to 1: the estimated Jaccard similarity of their shingles; 0 without signatures. */
export function similarityOf(a: readonly number[], b: readonly number[]): number {
  if (a.length === 0 || a.length !== b.length) return 0;
  let same = 0;
  for (let i = 0; i < a.length; i++) if (a[i] === b[i]) same++;
  return same / a.length;
}

/** Shared keywords over all keywords of two sets, 0 to 1. */
export function overlapOf(a: readonly string[], b: readonly string[]): number {
  if (a.length === 0 || b.length === 0) return 0;
  const other = new Set(b);
  const shared = a.filter((key) => other.has(key)).length;
  return shared / (a.length + b.length - shared);
}

function signatureOf(words: readonly string[]): number[] {
  const shingles = new Set<number>();
  for (let i = 0; i + SHINGLE_WORDS <= words.length; i++) {
    shingles.add(hashOf(words, i));
  }
  if (shingles.size < MIN_SHINGLES) return [];
  const least = new Int32Array(HASHES).fill(0x7fffffff);
  for (const shingle of shingles) {
    for (let i = 0; i < HASHES; i++) {
      const hash = mixed(shingle ^ SEEDS[i]!);
      if (hash < least[i]!) least[i] = hash;
    }
  }
  return [...least];
}

function bandsOf(signature: readonly number[]): number[] {
  if (signature.length === 0) return [];
  return Array.from({ length: BANDS }, (_, band) => {
    let hash = mixed(band + 1);
    for (let row = 0; row < ROWS; row++) hash = mixed(hash ^ signature[band * ROWS + row]!);
    return hash;
  });
}

/** FNV-1a over the shingle's words. */
function hashOf(words: readonly string[], from: number): number {
  let hash = 0x811c9dc5;
  for (let i = from; i < from + SHINGLE_WORDS; i++) {
    const word = words[i]!;
    for (let j = 0; j < word.length; j++) hash = Math.imul(hash ^ word.charCodeAt(j), 0x01000193);
    hash = Math.imul(hash ^ 0x20, 0x01000193);
  }
  return hash | 0;
}

/** MurmurHash3's finalizer: every bit of the input moves every bit of the output. */
function mixed(value: number): number {
  let hash = value;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) | 0;
}

const SEEDS = Int32Array.from({ length: HASHES }, (_, i) => mixed(Math.imul(i + 1, 0x9e3779b9)));

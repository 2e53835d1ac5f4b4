/** Owns how alike two texts are: MinHash over runs of five words, small enough to be kept and looked up. Knows no article. */
import { createHash } from "node:crypto";
import { wordsOf } from "../writing/sentences.ts";

/** Words of a run. Five in a row are seldom the same by chance. */
const RUN = 5;
const HASHES = 128;
/** Bands of four hashes: two texts that share a third of their runs share a band with certainty enough (99.8 %). */
const BANDS = 32;
/** Below this many runs chance decides, not the text. */
const MIN_RUNS = 60;

/** What of a text is kept to compare it with others. */
export interface Fingerprint {
  /** 128 whole numbers of 32 bits. */
  signature: number[];
  /** Texts that share one of these are compared. */
  bands: number[];
}

/** Null for a text of fewer than 64 words. Deterministic. */
export function fingerprintOf(text: string): Fingerprint | null {
  const runs = runsOf(text);
  if (runs.size < MIN_RUNS) return null;
  const signature = new Array<number>(HASHES).fill(MOST);
  for (const run of runs) {
    const digest = createHash("sha1").update(run).digest();
    const [a, b] = [digest.readUInt32LE(0), digest.readUInt32LE(4) | 1];
    for (let i = 0; i < HASHES; i++) {
      // A hash for each i out of two (Kirsch and Mitzenmacher), mixed so that their minima are independent.
      const hash = mix((a + Math.imul(i, b)) >>> 0);
      if (hash < signature[i]!) signature[i] = hash;
    }
  }
  const rows = HASHES / BANDS;
  const bands = Array.from({ length: BANDS }, (_, band) => {
    const part = signature.slice(band * rows, (band + 1) * rows);
    return createHash("sha1").update(`${band}:${part.join()}`).digest().readInt32LE(0);
  });
  return { signature: signature.map((hash) => hash | 0), bands: [...new Set(bands)] };
}
const MOST = 0xffffffff;

/** MurmurHash3's finaliser: every bit of the number decides about every bit of the result. */
function mix(number: number): number {
  let h = number;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Every run of five words, in lower case. */
export function runsOf(text: string): Set<string> {
  const words = wordsOf(text);
  const runs = new Set<string>();
  for (let i = 0; i + RUN <= words.length; i++) runs.add(words.slice(i, i + RUN).join(" "));
  return runs;
}

/** An estimate of the share of runs that two texts have in common (Jaccard), off by about 0.04 (one standard error is under 1 / √128). */
export function likenessOf(a: readonly number[], b: readonly number[]): number {
  if (a.length === 0 || a.length !== b.length) return 0;
  return a.filter((hash, i) => hash === b[i]).length / a.length;
}

import assert from "node:assert/strict";
import { test } from "node:test";
import { overlapOf, type Prints, printsOf, similarityOf } from "./prints.ts";

/** A small generator with a seed (mulberry32), so that a failure can be repeated. */
function chance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const words = (random: () => number, count: number) =>
  Array.from({ length: count }, () => `w${Math.floor(random() * 5000)}`);
const of = (text: string, more: Partial<Parameters<typeof printsOf>[0]> = {}): Prints =>
  printsOf({ title: "", description: "", keywords: [], language: "en", text, ...more });

function jaccard(a: string[], b: string[]): number {
  const shingles = (list: string[]) => new Set(list.slice(3).map((_, i) => list.slice(i, i + 4).join(" ")));
  const [left, right] = [shingles(a), shingles(b)];
  const both = [...left].filter((shingle) => right.has(shingle)).length;
  return both / (left.size + right.size - both);
}

test("the estimated similarity is the exact Jaccard index, give or take three standard errors", () => {
  const seed = 20260302;
  const random = chance(seed);
  for (const kept of [0.95, 0.8, 0.6, 0.4, 0.2, 0]) {
    const first = words(random, 800);
    const cut = Math.round(kept * first.length);
    const second = [...first.slice(0, cut), ...words(random, first.length - cut)];
    const exact = jaccard(first, second);
    const estimated = similarityOf(of(first.join(" ")).signature, of(second.join(" ")).signature);
    const error = Math.sqrt((exact * (1 - exact)) / 128);
    assert.ok(
      Math.abs(estimated - exact) <= 3 * error + 1e-9,
      `seed ${seed}, kept ${kept}: ${estimated} for ${exact}`,
    );
  }
});

test("near-duplicates share a band, strangers do not", () => {
  const random = chance(7);
  let shared = 0;
  for (let i = 0; i < 50; i++) {
    const first = words(random, 400);
    const second = [...first.slice(0, 320), ...words(random, 80)];
    const [a, b] = [of(first.join(" ")), of(second.join(" "))];
    if (a.bands.some((band) => b.bands.includes(band))) shared++;
    const stranger = of(words(random, 400).join(" "));
    assert.equal(a.bands.filter((band) => stranger.bands.includes(band)).length, 0);
  }
  // At a similarity of two thirds it is 0.999 of them.
  assert.ok(shared >= 48, `seed 7: ${shared} of 50`);
});

test("prints know neither case, punctuation nor the form of keywords; short texts have no signature", () => {
  const text = words(chance(1), 200).join(" ");
  assert.deepEqual(of(text).signature, of(text.toUpperCase().replaceAll(" ", ", ")).signature);
  const prints = of("short", {
    title: "How – Tides WORK!",
    keywords: ["Heat Pumps", "heat pump", "Boilers"],
  });
  assert.deepEqual([prints.titleKey, prints.mainKeyword], ["how tides work", "heat pump"]);
  assert.deepEqual(prints.keywords, ["heat pump", "boiler"]);
  assert.deepEqual([prints.signature, prints.bands], [[], []]);
  assert.equal(similarityOf([], []), 0);
});

test("the overlap of keywords is shared over all", () => {
  assert.equal(overlapOf(["a", "b", "c"], ["b", "c", "d"]), 0.5);
  assert.equal(overlapOf([], ["a"]), 0);
});

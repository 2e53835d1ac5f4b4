/** Owns when two names are written the same, and how alike two are. Pure; knows no entity. */

const HONORIFICS = new Set(
  "mr mrs ms miss dr prof professor sir dame lord lady president king queen saint st".split(" "),
);
const CORPORATE = new Set("inc ltd llc plc corp gmbh ag sa co".split(" "));

/**
 * One form for every way to write a name: lower case, no accents, no punctuation, without a leading
 * article or honorific and without a trailing legal form. Empty when nothing is left.
 */
export function normalizeName(name: string): string {
  const words = name
    .normalize("NFKD")
    .replace(/\p{M}+/gu, "")
    .toLowerCase()
    .replace(/ß/g, "ss")
    .replace(/ø/g, "o")
    .replace(/æ/g, "ae")
    .replace(/['’]s\b/g, "")
    .replace(/(?<=\p{L})['’.](?=\p{L})|(?<=\b\p{L})\./gu, "")
    .replace(/&/g, " and ")
    .split(/[^\p{L}\p{N}]+/u)
    .filter(Boolean);
  while (words.length > 1 && (words[0] === "the" || HONORIFICS.has(words[0]!))) words.shift();
  while (words.length > 1 && CORPORATE.has(words.at(-1)!)) words.pop();
  return words.join(" ");
}

/**
 * The keys by which a name finds the entities that it might be: the first four letters of each of its
 * significant words. Two names that share none are never compared.
 */
export function matchingKeys(normalized: string): string[] {
  return [...new Set(significant(normalized).map((word) => [...word].slice(0, 4).join("")))];
}

/** The words of a normalised name without those that only join others. */
export function significant(normalized: string): string[] {
  const words = normalized.split(" ").filter((word) => word !== "");
  const kept = words.filter((word) => !JOINING.has(word));
  return kept.length ? kept : words;
}
const JOINING = new Set("of the and for in de del di da du la le van von der den und y e".split(" "));

/** Shared trigrams over all trigrams of both, 0–1, as PostgreSQL's pg_trgm counts them. */
export function trigramSimilarity(a: string, b: string): number {
  const left = trigrams(a);
  const right = trigrams(b);
  let shared = 0;
  for (const gram of left) if (right.has(gram)) shared++;
  const all = left.size + right.size - shared;
  return all === 0 ? 0 : shared / all;
}

function trigrams(text: string): Set<string> {
  const grams = new Set<string>();
  for (const word of text.split(" ")) {
    if (word === "") continue;
    const padded = `  ${word} `;
    for (let i = 0; i + 3 <= padded.length; i++) grams.add(padded.slice(i, i + 3));
  }
  return grams;
}

/**
 * Whether a normalised name is that of a country, or of a city that a time zone is named after: a
 * small gazetteer that every JavaScript runtime carries.
 */
export function isPlace(normalized: string): boolean {
  places ??= gazetteer();
  return places.has(normalized);
}
let places: Set<string> | null = null;

function gazetteer(): Set<string> {
  const found = new Set<string>(
    "england scotland wales america britain great britain usa us uk washington cambridge oxford".split(" "),
  );
  const regions = new Intl.DisplayNames(["en"], { type: "region", fallback: "none" });
  for (let code = 0; code < 26 * 26; code++) {
    const name = regions.of(String.fromCharCode(65 + Math.floor(code / 26), 65 + (code % 26)));
    if (name) found.add(normalizeName(name));
  }
  for (const zone of Intl.supportedValuesOf("timeZone")) {
    const city = zone.split("/").at(-1)!.replaceAll("_", " ");
    if (zone.includes("/")) found.add(normalizeName(city));
  }
  return found;
}

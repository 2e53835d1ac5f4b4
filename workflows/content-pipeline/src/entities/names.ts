/** Owns how candidate names are found in a topic: capitalised runs with enough evidence. Resolves nothing. */
import type { Topic } from "../topic.ts";
import { readSources } from "../writing/reading.ts";
import { foldPlural, sentencesOf } from "../writing/sentences.ts";
import { isPlainVerb, isStopWord } from "../writing/stop-words.ts";
import { isPlace, normalizeName } from "./normalize.ts";

export interface Candidate {
  /** As it is written most often. */
  name: string;
  /** Abbreviations that the text itself introduces: "World Health Organization (WHO)". */
  aliases: string[];
  /** Mentions, weighed by where they stand. */
  evidence: number;
}

const MAX_CANDIDATES = 25;
const MIN_EVIDENCE = 2;
const CONNECTING = new Set(
  "of the and for de del della di da do dos das du des la le les van von der den und & al bin ibn y e".split(
    " ",
  ),
);
const NEVER_NAMES = new Set(
  `monday tuesday wednesday thursday friday saturday sunday january february march april may june july august september
october november december spring summer autumn fall winter q1 q2 q3 q4 fig figure table chapter section page note source
figures sources also celsius fahrenheit kelvin christmas easter mr mrs ms dr prof sir key facts summary introduction conclusion ok yes no faq pdf html http https www
am pm ad bc ce bce usd eur gbp kg km cm mm kw kwh mw gw hz ghz mhz mb gb tb cop
what how why when where who which step steps guide tips best top new your our`.split(/\s+/),
);

/** What someone is, not who: "Fellow of the Royal Society" speaks of the society. */
const ROLES = new Set(
  "fellow member president director chairman chair head secretary minister founder professor queen king duke earl bishop mayor governor".split(
    " ",
  ),
);

const DEMONYMS = new Set(
  `american british english scottish irish welsh french german italian spanish portuguese dutch belgian swiss austrian
polish russian greek roman latin turkish arab arabic persian indian chinese japanese korean european african asian
australian canadian mexican brazilian egyptian swedish norwegian danish finnish christian muslim jewish victorian`.split(
    /\s+/,
  ),
);

interface Sighting {
  name: string;
  weight: number;
}

/**
 * The names that a topic speaks of, the best attested first, at most 25. Deterministic. A word that
 * is capitalised only because it opens a sentence or stands in a headline is no evidence.
 */
export function candidateNames(topic: Topic): Candidate[] {
  const sentences = materialOf(topic);
  const runs = sentences.filter((sentence) => !isHeadline(sentence)).flatMap(runsOf);
  const attested = new Set(runs.filter((run) => !run.opens).map((run) => normalizeName(run.words.join(" "))));
  const common = commonWords(sentences);
  const everywhere = new Set(runs.map((run) => normalizeName(run.words.join(" "))));
  const sightings = runs.flatMap((run) => sightingOf(run, attested, everywhere, common));
  for (const keyword of topic.keywords) {
    if (/^\p{Lu}/u.test(keyword) && (attested.has(normalizeName(keyword)) || isProperPhrase(keyword))) {
      sightings.push({ name: keyword, weight: 1 });
    }
  }
  // A headline capitalises everything: it only confirms what the text has shown to be a name.
  for (const run of runsOf(topic.title)) {
    const name = run.words.join(" ");
    if (attested.has(normalizeName(name))) sightings.push({ name, weight: 1 });
  }
  return collect(sightings, abbreviationsIn(sentences));
}

function materialOf(topic: Topic): string[] {
  const sentences = sentencesOf(topic.brief, topic.language);
  for (const { paragraphs } of readSources(topic)) {
    for (const paragraph of paragraphs) sentences.push(...paragraph.sentences);
  }
  return sentences;
}

function isHeadline(sentence: string): boolean {
  const words = sentence.split(/\s+/);
  const capitals = words.filter((word) => /^[^\p{L}]*\p{Lu}/u.test(word)).length;
  return words.length > 3 && capitals / words.length > 0.7;
}

/** Every word that the material also writes in lower case. */
function commonWords(sentences: readonly string[]): Set<string> {
  return new Set(
    sentences.flatMap((sentence) => (sentence.match(/(?<![\p{L}-])\p{Ll}[\p{L}]+/gu) ?? []).map(foldPlural)),
  );
}

/** What a run is evidence for; a run that opens a sentence may hold one word too many. */
function sightingOf(
  run: Run,
  attested: ReadonlySet<string>,
  everywhere: ReadonlySet<string>,
  common: ReadonlySet<string>,
): Sighting[] {
  const isCommon = (word: string) => common.has(foldPlural(word.toLowerCase()));
  const isNoName = (word: string) =>
    isCommon(word) || DEMONYMS.has(word.toLowerCase()) || /-\p{Ll}/u.test(word);
  const name = run.words.join(" ");
  if (run.words.length === 1) return isNoName(name) ? [] : [{ name, weight: run.opens ? 0.5 : 1 }];
  if (run.opens && !attested.has(normalizeName(name))) {
    const rest = withoutConnecting(run.words.slice(1)).join(" ");
    const first = run.words[0]!.toLowerCase();
    const isName = rest.includes(" ") && everywhere.has(normalizeName(rest));
    if (isName || isCommon(first) || isPlainVerb(first)) {
      return rest === "" || (!rest.includes(" ") && isNoName(rest)) ? [] : [{ name: rest, weight: 1 }];
    }
  }
  return [{ name, weight: 1 }];
}

interface Run {
  words: string[];
  /** Begins with the first word of the sentence: capitalised in any case. */
  opens: boolean;
}

const TOKEN = /[\p{L}\p{N}&](?:[\p{L}\p{N}'’.&-]*[\p{L}\p{N}])?|[^\s\p{L}\p{N}]/gu;

/** Runs of capitalised words, joined by the small words that names are joined by. */
function runsOf(text: string): Run[] {
  const tokens = text.replace(/\b(St|Mt|Ft|Dr|Mr|Mrs|Prof)\.(?=\s)/g, "$1").match(TOKEN) ?? [];
  const runs: Run[] = [];
  let run: string[] = [];
  let startedAt = 0;
  const close = () => {
    const opens = tokens.slice(0, startedAt).every((token) => !/[\p{L}\p{N}]/u.test(token));
    for (const [i, words] of namesOf(run).entries())
      runs.push({ words, opens: opens && i === 0 && words[0] === run[0] });
    run = [];
  };
  for (const [position, token] of tokens.entries()) {
    const isNumberAfterName = run.length > 0 && /^\d{1,3}$/.test(token) && /^\p{Lu}/u.test(run.at(-1)!);
    if (/^\p{Lu}/u.test(token) || isNumberAfterName) {
      if (run.length === 0) startedAt = position;
      run.push(token.replace(/['’]s$/, ""));
      if (/['’]s$/.test(token)) close();
    } else if (run.length > 0 && joins(tokens, position, run.at(-1)!)) run.push(token);
    else close();
  }
  close();
  return runs;
}

/** "of" and the like join two capitalised words; "the" only after one of them: not "London the Thames". */
function joins(tokens: readonly string[], position: number, before: string): boolean {
  const token = tokens[position]!;
  const next = tokens[position + 1] ?? "";
  if (!CONNECTING.has(token)) return false;
  if (token === "the" || token === "la" || token === "les")
    return CONNECTING.has(before) && /^\p{Lu}/u.test(next);
  if (token === "and" || token === "&") return /^\p{Lu}/u.test(next);
  return (
    /^\p{Lu}/u.test(next) || (/^(?:the|la|les)$/.test(next) && /^\p{Lu}/u.test(tokens[position + 2] ?? ""))
  );
}

/** The names in a run: "Moon and Sun" are two, "Health and Human Services" is one. */
function namesOf(run: readonly string[]): string[][] {
  const and = run.findIndex((word) => word === "and" || word === "&");
  const left = run.slice(0, Math.max(and, 0));
  const right = run.slice(and + 1);
  const areTwo =
    and > 0 &&
    !left.some((word) => CONNECTING.has(word)) &&
    ((left.length === 1 && right.length === 1) || (left.length === 2 && right.length <= 3));
  const parts = areTwo ? [left, right] : [run];
  return parts.map(trimRun).filter((words) => words !== null);
}

/** Takes what is no part of a name off both ends; null when no name is left. */
function trimRun(run: readonly string[]): string[] | null {
  let words = withoutConnecting(run);
  while (words.length && (isFiller(words[0]!) || isRole(words[0]!) || /^\d/.test(words[0]!))) {
    if (isRole(words[0]!) && !CONNECTING.has(words[1] ?? "")) break;
    words = withoutConnecting(words.slice(1));
  }
  while (words.length && isFiller(words.at(-1)!)) words = words.slice(0, -1);
  const text = words.join(" ");
  if (words.length > 7 || text.length < 2 || text.length > 100) return null;
  const isShouted = words.length > 1 && words.every((word) => /^[^\p{Ll}]{2,}$/u.test(word));
  return isShouted || (words.length === 1 && /^(?:\p{Lu}|\d.*)$/u.test(text)) ? null : words;
}

function isRole(word: string): boolean {
  return ROLES.has(foldPlural(word.toLowerCase()));
}

function withoutConnecting(words: readonly string[]): string[] {
  const start = words.findIndex((word) => !CONNECTING.has(word));
  return start < 0 ? [] : words.slice(start);
}

function isFiller(word: string): boolean {
  const lower = word.toLowerCase();
  return isStopWord(lower) || NEVER_NAMES.has(lower) || CONNECTING.has(lower);
}

function isProperPhrase(keyword: string): boolean {
  const words = keyword.split(/\s+/);
  return (
    (words.length > 1 && words.every((word) => /^\p{Lu}|^\d/u.test(word) || CONNECTING.has(word))) ||
    /^\p{Lu}{2,6}$/u.test(keyword)
  );
}

/** "World Health Organization (WHO)" → normalised long form to its abbreviation. */
function abbreviationsIn(sentences: readonly string[]): Map<string, string> {
  const found = new Map<string, string>();
  for (const sentence of sentences) {
    for (const match of sentence.matchAll(/\(([\p{Lu}][\p{Lu}\d&-]{1,7})\)/gu)) {
      const before = sentence.slice(0, match.index).trimEnd();
      const last = runsOf(before).at(-1)?.words.join(" ");
      if (!last || !before.endsWith(last)) continue;
      const words = last.split(/[\s-]+/);
      const initials = words
        .filter((word) => /^\p{Lu}/u.test(word))
        .map((word) => word[0])
        .join("");
      const allInitials = words.map((word) => word[0]!.toUpperCase()).join("");
      if (initials === match[1] || allInitials === match[1]) found.set(normalizeName(last), match[1]!);
    }
  }
  return found;
}

function collect(sightings: readonly Sighting[], abbreviations: ReadonlyMap<string, string>): Candidate[] {
  const byName = new Map<string, { forms: Map<string, number>; evidence: number; order: number }>();
  for (const seen of sightings) {
    const key = normalizeName(seen.name);
    if (key === "") continue;
    const entry = byName.get(key) ?? { forms: new Map(), evidence: 0, order: byName.size };
    entry.evidence += seen.weight;
    entry.forms.set(seen.name, (entry.forms.get(seen.name) ?? 0) + 1);
    byName.set(key, entry);
  }
  foldShortForms(byName, abbreviations);
  return [...byName]
    .filter(([key, entry]) => entry.evidence >= MIN_EVIDENCE || (key.includes(" ") && entry.evidence >= 1))
    .sort(([, a], [, b]) => b.evidence - a.evidence || a.order - b.order)
    .slice(0, MAX_CANDIDATES)
    .map(([key, entry]) => ({
      name: [...entry.forms].reduce((best, form) => (form[1] > best[1] ? form : best))[0],
      aliases: abbreviations.has(key) ? [abbreviations.get(key)!] : [],
      evidence: entry.evidence,
    }));
}

/**
 * Within one topic, "Curie" after "Marie Curie" and "WHO" after its long form are further mentions of
 * the same, not entities of their own. A surname is never kept as an alias: elsewhere it is another's.
 */
function foldShortForms(
  byName: Map<string, { evidence: number; order: number }>,
  abbreviations: ReadonlyMap<string, string>,
): void {
  const keys = [...byName.keys()];
  for (const short of keys.filter((key) => !key.includes(" "))) {
    const owners = keys.filter(
      (key) =>
        (key.split(" ").length === 2 &&
          key.endsWith(` ${short}`) &&
          (byName.get(key)!.order < byName.get(short)!.order || byName.get(key)!.evidence > 1) &&
          !isPlace(short)) ||
        normalizeName(abbreviations.get(key) ?? "") === short,
    );
    const owner = owners.length === 1 ? byName.get(owners[0]!) : undefined;
    if (!owner) continue;
    owner.evidence += byName.get(short)!.evidence;
    byName.delete(short);
  }
}

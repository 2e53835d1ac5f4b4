/** Owns what a section is called: its source's own heading, or the phrase that sets it apart. Invents no word. */
import type { Topic } from "../topic.ts";
import type { Block } from "./outline.ts";
import { contentWords, foldPlural, wordsOf } from "./sentences.ts";
import { isPlainVerb, isStopWord } from "./stop-words.ts";

interface Phrase {
  /** As the text writes it. */
  text: string;
  key: string;
  words: string[];
  count: number;
  inFirst: boolean;
  isKeyword: boolean;
}

const GENERIC =
  /^(?:introduction|overview|conclusion|summary|abstract|references|see also|notes|contents?|background)$/i;
const LENGTH_VALUE = [0, 0.6, 1.6, 1.5];
/** Alone these name nothing, however often they occur. */
const VAGUE = new Set(
  `part side way kind sort thing number result place day time year people person man woman word case fact point form
piece amount level range area group type example end start step body hand line lot bit rest gram measure work turn
reason problem question answer idea change use need month week hour minute second century half metre meter foot`.split(
    /\s+/,
  ),
);

/** One heading for each section, no two alike. */
export function nameSections(topic: Topic, sections: readonly Block[][]): string[] {
  const phrases = sections.map((section) => phrasesOf(section, topic.keywords));
  const spread = new Map<string, number>();
  for (const list of phrases) for (const { key } of list) spread.set(key, (spread.get(key) ?? 0) + 1);
  const titleWords = new Set(contentWords(topic.title));
  const taken = new Set<string>();
  return sections.map((section, i) => {
    const own = section[0]?.heading;
    const heading = own && isFitHeading(own) && !taken.has(keyOf(own)) ? own : bestPhrase(phrases[i]!);
    taken.add(keyOf(heading));
    return heading;
  });

  function bestPhrase(list: readonly Phrase[]): string {
    let best: Phrase | null = null;
    let bestScore = 0;
    for (const phrase of list) {
      if (overlaps(phrase, taken)) continue;
      const rarity = 1 + Math.log(sections.length / spread.get(phrase.key)!);
      const echo = phrase.words.every((word) => titleWords.has(word)) ? 0.15 : 1;
      const score =
        phrase.count *
        rarity *
        echo *
        (sharesWords(phrase, taken) ? 0.4 : 1) *
        (LENGTH_VALUE[phrase.words.length] ?? 1.5) *
        (phrase.isKeyword && echo === 1 ? (phrase.words.length > 1 ? 2.5 : 1.2) : 1) *
        (phrase.count === 1 && !phrase.isKeyword ? 0.6 : 1) *
        (phrase.inFirst ? 1.5 : 1);
      if (score > bestScore) {
        best = phrase;
        bestScore = score;
      }
    }
    return best ? capitalize(best.text) : fallback(taken.size);
  }
}

function fallback(position: number): string {
  return position === 0 ? "In brief" : `Further detail${position > 1 ? ` (${position})` : ""}`;
}

function isFitHeading(heading: string): boolean {
  return !GENERIC.test(heading) && wordsOf(heading).length <= 9;
}

function keyOf(text: string): string {
  return wordsOf(text)
    .map((word) => foldPlural(word.replace(/'s$/, "")))
    .join(" ");
}

function overlaps(phrase: Phrase, taken: ReadonlySet<string>): boolean {
  return [...taken].some((key) => {
    const words = key.split(" ");
    return (
      phrase.words.every((word) => words.includes(word)) || words.every((word) => phrase.words.includes(word))
    );
  });
}

function sharesWords(phrase: Phrase, taken: ReadonlySet<string>): boolean {
  return [...taken].some((key) => key.split(" ").some((word) => phrase.words.includes(word)));
}

function capitalize(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Runs of one to three words between stop words, verbs and punctuation, and the topic's own keywords. */
function phrasesOf(section: readonly Block[], keywords: readonly string[]): Phrase[] {
  const found = new Map<string, Phrase>();
  const keywordKeys = new Set(keywords.map(keyOf));
  const sentences = section.flatMap((block) => block.sentences.map((each) => each.text));
  const openings = new Set(section.map((block) => block.sentences[0]!.text));
  for (const sentence of sentences) {
    const opens = openings.has(sentence);
    if (opens) addSubject(found, sentence, sentence === sentences[0]);
    for (const run of runsOf(sentence)) {
      for (let from = 0; from < run.length; from++) {
        for (let length = 1; length <= 3 && from + length <= run.length; length++) {
          // A longer run than three words is parted only at its ends: its middle is seldom a phrase.
          if (from > 0 && from + length < run.length) continue;
          if (cutsName(run, from) || cutsName(run, from + length)) continue;
          addPhrase(found, run.slice(from, from + length), opens, keywordKeys);
        }
      }
    }
  }
  // An editor's own phrase counts as it is given, however many words it has and whichever they are.
  const folded = ` ${sentences.map(keyOf).join(" | ")} `;
  for (const keyword of keywords) {
    const key = keyOf(keyword);
    if (found.has(key) || key === "") continue;
    const count = folded.split(` ${key} `).length - 1;
    if (count)
      found.set(key, { text: keyword, key, words: key.split(" "), count, inFirst: false, isKeyword: true });
  }
  return [...found.values()];
}

/** Whether a cut before `at` would part two words of one proper name. */
function cutsName(run: readonly string[], at: number): boolean {
  return at > 0 && at < run.length && /^\p{Lu}/u.test(run[at - 1]!) && /^\p{Lu}/u.test(run[at]!);
}

function addPhrase(
  found: Map<string, Phrase>,
  words: readonly string[],
  inFirst: boolean,
  keywords: ReadonlySet<string>,
): void {
  const folded = words.map((word) => foldPlural(word.toLowerCase()));
  const key = folded.join(" ");
  if (!keywords.has(key) && !readsAsName(words, folded)) return;
  const known = found.get(key);
  if (known) {
    known.count++;
    // A form in the middle of a sentence shows how the word is really written.
    const form = words.join(" ");
    if (/^\p{Ll}/u.test(form) && form === known.text.toLowerCase()) known.text = form;
    return;
  }
  found.set(key, {
    text: words.join(" "),
    key,
    words: folded,
    count: 1,
    inFirst,
    isKeyword: keywords.has(key),
  });
}

const NEVER_LAST = new Set(
  `long new wrong right high low large small old warm cold dry wet good bad young free full early late big great strong
weak short wide deep hot according such`.split(/\s+/),
);

/** Nouns, as far as their look tells: no figure, no adverb, no participle at the end, not half of a proper name. */
function readsAsName(words: readonly string[], folded: readonly string[]): boolean {
  const last = folded.at(-1)!;
  if (words.join("").length < 4 || words.some((word) => /\d/.test(word))) return false;
  if (folded.some((word) => /ly$/.test(word)) || /(?:ed|ing|ous|ful|ive|able|ible|est)$/.test(last))
    return false;
  if (VAGUE.has(last) || NEVER_LAST.has(last)) return false;
  const capitals = words.filter((word) => /^\p{Lu}/u.test(word)).length;
  return capitals === 0 || capitals === words.length;
}

/**
 * What a paragraph's first sentence speaks of: its words up to the verb. "The shape of the coast
 * decides …" → "Shape of the coast". Where no verb is recognised there is no subject.
 */
function subjectOf(sentence: string): string | null {
  const words = sentence.replaceAll("’", "'").split(" ").slice(0, 8);
  const end = words.findIndex((word, i) => i > 0 && endsSubject(word, words[i - 1]!, words[i + 1] ?? ""));
  if (end < 1) return null;
  const subject = words
    .slice(0, end)
    .join(" ")
    .replace(/^(?:The|A|An|Its|Most|All|Some|Many|Every|Each) /u, "");
  const count = subject.split(" ").length;
  const isPlain =
    /^[\p{L}\p{N}' -]+$/u.test(subject) &&
    !/'s$|\b(?:that|which|who|it|he|she|they|you|this|these|what|then|when|where|but|or)\b/i.test(subject);
  return isPlain && count <= 6 && !isStopWord(subject.split(" ")[0]!.toLowerCase()) ? subject : null;
}

/** A verb by its look, or because an article follows what is no preposition. */
function endsSubject(word: string, before: string, after: string): boolean {
  const lower = word.toLowerCase();
  if (AUXILIARY.has(lower) || /^\p{Ll}+ly$/u.test(word) || lower === "also") return true;
  if (!/^\p{Ll}/u.test(word) || /^(?:the|a|an|of|and|in|for|to|with)$/i.test(before)) return false;
  if (DETERMINER.test(after) && !PREPOSITIONS.has(lower)) return true;
  return isPlainVerb(lower) || (lower.endsWith("ed") && lower.length > 4);
}
const DETERMINER = /^(?:the|a|an|its|their|his|her|this|that|these|those|what|whether)$/i;
const PREPOSITIONS = new Set(
  "of in on at by for to from with and or than as into over under between through about around behind along".split(
    " ",
  ),
);
const AUXILIARY = new Set(
  `is are was were has have had can could may might must will would shall should do does did cannot see sees saw comes
came gives gave makes made takes took gets got goes went needs keeps kept says said uses used became becomes`.split(
    /\s+/,
  ),
);

function addSubject(found: Map<string, Phrase>, sentence: string, isFirst: boolean): void {
  const text = subjectOf(sentence);
  if (!text) return;
  const words = contentWords(text);
  if (words.length === 0 || (words.length === 1 && VAGUE.has(words[0]!))) return;
  const weight = (isFirst ? 4 : 2.5) * (words.length === 1 ? 0.8 : 1);
  found.set(keyOf(text), { text, key: keyOf(text), words, count: weight, inFirst: false, isKeyword: false });
}

function runsOf(sentence: string): string[][] {
  const runs: string[][] = [];
  let run: string[] = [];
  for (const token of sentence
    .replaceAll("’", "'")
    .match(/[\p{L}\p{N}]+(?:['-][\p{L}\p{N}]+)*|[^\s\p{L}\p{N}]/gu) ?? []) {
    const lower = token.toLowerCase();
    // An article right after a word shows that the word was a verb: "winds blow the clouds".
    if (DETERMINER.test(lower) && run.length > 1 && !/^\p{Lu}/u.test(run.at(-1)!)) run.pop();
    if (/[\p{L}\p{N}]/u.test(token) && !isStopWord(lower) && !isPlainVerb(lower) && !lower.endsWith("'s"))
      run.push(token);
    else if (run.length) {
      runs.push(run);
      run = [];
    }
  }
  if (run.length) runs.push(run);
  return runs;
}

/** Owns how plain text is cut into paragraphs, sentences and words. Never changes what a sentence says. */
import sanitizeHtml from "sanitize-html";
import { isStopWord } from "./stop-words.ts";

export interface Paragraph {
  /** The heading that the text itself puts before this paragraph. */
  heading: string | null;
  sentences: string[];
}

const ABBREVIATIONS =
  /(?:^|[\s("'“])(?:Dr|Mr|Mrs|Ms|Prof|St|Sr|Jr|Gen|Col|Lt|Capt|Sgt|Rev|Hon|Gov|Sen|Rep|No|Nos|Fig|Figs|Eq|Vol|pp|vs|etc|approx|ca|cf|Inc|Ltd|Co|Corp|Mt|Ave|Dept|Est|al|e\.g|i\.e|U\.S|U\.K|E\.U|a\.m|p\.m|[A-Z])\.\s*$/;

/** A dotted abbreviation ends a sentence as often as not; then the next word decides. */
const MAY_END_SENTENCE = /(?:etc|Inc|Ltd|Co|Corp|al|U\.S|U\.K|E\.U|a\.m|p\.m)\.\s*$/;
const SENTENCE_OPENER =
  /^["'“‘(]?(?:The|A|An|In|It|This|These|That|Those|They|He|She|We|I|You|But|And|However|When|While|If|As|At|By|For|From|On|Since|Although|After|Before|There|His|Her|Its|Their|Our|Both|Such|Each|Some|Many|Most|One|Two)\s/;

/**
 * Cuts `text` (plain, Markdown or HTML) into paragraphs. Lines that are headings or list marks are
 * recognised; white space is folded; nothing else is altered. At most `maxChars` of it are read.
 */
export function paragraphsOf(
  text: string,
  language: string,
  maxChars = Number.POSITIVE_INFINITY,
): Paragraph[] {
  const plain = plainText(text.length > maxChars ? cutAtWord(text, maxChars) : text);
  const paragraphs: Paragraph[] = [];
  let heading: string | null = null;
  for (const { text: block, listed } of blocksOf(plain)) {
    if (!listed && isHeading(block)) {
      heading = block.replace(/^#{1,6}\s+|\s*#*$|:$/g, "").trim();
      continue;
    }
    const sentences = sentencesOf(block, language);
    if (sentences.length === 0) continue;
    paragraphs.push({ heading, sentences });
    heading = null;
  }
  // A text that is nothing but one short line is a sentence after all.
  if (paragraphs.length === 0 && heading) paragraphs.push({ heading: null, sentences: [heading] });
  return paragraphs;
}

/** The sentences of one paragraph, trimmed, in order. Abbreviations and initials do not end one. */
export function sentencesOf(paragraph: string, language: string): string[] {
  const folded = paragraph.replace(/\s+/g, " ").trim();
  const merged: string[] = [];
  for (const { segment } of sentenceSegmenter(language).segment(folded)) {
    const last = merged.at(-1);
    if (last !== undefined && continues(last, segment)) merged[merged.length - 1] = last + segment;
    else merged.push(segment);
  }
  return merged.map((sentence) => sentence.trim()).filter((sentence) => /[\p{L}\p{N}]/u.test(sentence));
}

function continues(before: string, after: string): boolean {
  if (/^[\p{Ll}]/u.test(after)) return true;
  if (!ABBREVIATIONS.test(before)) return false;
  return !(MAY_END_SENTENCE.test(before) && SENTENCE_OPENER.test(after));
}

/** The words of a text in lower case, numbers included; contractions stay whole. */
export function wordsOf(text: string): string[] {
  return text.toLowerCase().replaceAll("’", "'").match(WORD) ?? [];
}
const WORD = /[\p{L}\p{N}]+(?:['.,-][\p{L}\p{N}]+)*/gu;

/** The words that carry meaning, folded so that plural and singular meet. */
export function contentWords(text: string): string[] {
  return wordsOf(text)
    .filter((word) => !isStopWord(word) && (word.length > 2 || /\d/.test(word)))
    .map(foldPlural);
}

/** A light fold, for comparing only: `batteries` → `battery`, `pumps` → `pump`, `gas` stays. */
export function foldPlural(word: string): string {
  if (word.length > 4 && word.endsWith("ies")) return `${word.slice(0, -3)}y`;
  if (word.length > 4 && /(?:ss|sh|ch|x|z)es$/.test(word)) return word.slice(0, -2);
  if (word.length > 3 && /[^siu]s$/.test(word)) return word.slice(0, -1);
  return word;
}

/** The number of words of a text, as an editor counts them. */
export function countWords(text: string): number {
  return text.match(WORD)?.length ?? 0;
}

const segmenters = new Map<string, Intl.Segmenter>();
function sentenceSegmenter(language: string): Intl.Segmenter {
  let segmenter = segmenters.get(language);
  if (!segmenter) {
    // A tag that no machine knows falls back to the root rules instead of failing the task.
    const supported = Intl.Segmenter.supportedLocalesOf([language]);
    segmenter = new Intl.Segmenter(supported.length ? supported : "en", { granularity: "sentence" });
    if (segmenters.size < 100) segmenters.set(language, segmenter);
  }
  return segmenter;
}

function cutAtWord(text: string, maxChars: number): string {
  const cut = text.slice(0, maxChars);
  const end = Math.max(cut.lastIndexOf(". "), cut.lastIndexOf("\n"));
  return end > maxChars / 2 ? cut.slice(0, end + 1) : cut;
}

const HTML =
  /<\/?(?:p|div|br|h[1-6]|li|ul|ol|span|a|article|section|script|style|table|td|strong|em|b|i|img|html|body)\b[^>]*>/i;
const BLOCK_END = /<\/(?:p|div|li|h[1-6]|tr|ul|ol|section|article|blockquote)>|<br\s*\/?>/gi;

/** Markup goes, text stays: a source is quoted, never executed. */
export function plainText(text: string): string {
  let plain = text.replace(/\r\n?/g, "\n");
  if (HTML.test(plain)) {
    const headed = plain
      .replace(/<h[1-6][^>]*>([\s\S]*?)<\/h[1-6]>/gi, "\n\n## $1\n\n")
      .replace(BLOCK_END, "\n\n");
    plain = decode(sanitizeHtml(headed, { allowedTags: [], allowedAttributes: {} }));
  }
  return plain
    .replace(/```[\s\S]*?(?:```|$)/g, "\n\n")
    .replace(/!\[[^\]]*\]\([^)]*\)/g, "")
    .replace(/\[([^\]]+)\]\((?:[^()]|\([^)]*\))*\)/g, "$1")
    .replace(/(\*\*|__)(?=\S)(.+?)\1/g, "$2")
    .replace(/\[(?:\d{1,3}|[a-z]|citation needed|note \d+)\]/g, "")
    .replace(/[\u00ad\u200b\ufeff]/g, "")
    .replace(/[^\P{Cc}\n\t]|[\u2028\u2029]/gu, " ");
}

function decode(escaped: string): string {
  return escaped
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&quot;", '"')
    .replaceAll("&#39;", "'")
    .replaceAll("&nbsp;", " ")
    .replaceAll("&amp;", "&");
}

/** Blocks are parted by empty lines; headings and list items stand alone; other line ends are only wraps. */
function blocksOf(plain: string): { text: string; listed: boolean }[] {
  const blocks: { text: string; listed: boolean }[] = [];
  for (const chunk of plain.split(/\n\s*\n/)) {
    let current: string[] = [];
    let listed = false;
    const flush = () => {
      if (current.length) blocks.push({ text: current.join(" "), listed });
      current = [];
      listed = false;
    };
    for (const line of chunk.split("\n").map((raw) => raw.trim())) {
      const item = /^(?:[-*•–]|\d{1,2}[.)])\s+(.*)$/.exec(line);
      if (/^#{1,6}\s/.test(line) || /^(?:-{3,}|={3,}|\*{3,})$/.test(line)) {
        flush();
        if (line.startsWith("#")) blocks.push({ text: line, listed: false });
      } else if (item) {
        flush();
        listed = true;
        current.push(item[1]!);
      } else if (line !== "") current.push(line.replace(/^>\s?/, ""));
    }
    flush();
  }
  return blocks;
}

/** A short block without an end mark, before a paragraph, is what its author called the paragraph. */
function isHeading(block: string): boolean {
  if (/^#{1,6}\s/.test(block)) return true;
  return (
    block.length <= 80 &&
    countWords(block) <= 10 &&
    !/[.!?…;,"”]$/.test(block) &&
    /^[\p{Lu}\p{N}]/u.test(block)
  );
}

/** Owns how values read on a terminal: clean text, widths, times, counts. Never writes anything. */
import { stripVTControlCharacters } from "node:util";

const BIDI = /[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
const WIDE =
  /^(\p{Emoji_Presentation}|[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}])/u;
const MARK = /^(\p{M}|\p{Default_Ignorable_Code_Point})+$/u;
const graphemes = new Intl.Segmenter("en", { granularity: "grapheme" });

/**
 * One line of text that is safe to print. Whatever comes from a server or a file may hold escape
 * sequences that move the cursor, set the title or hide text; they are taken out, white space is folded.
 */
export function plain(value: unknown): string {
  return clean(String(value ?? "").replace(/\s+/g, " ")).trim();
}

/** The same for several lines: line breaks stay, tabs become blanks. */
export function plainLines(value: unknown): string {
  return String(value ?? "")
    .split(/\r\n|\n|\r/)
    .map((line) => clean(line.replaceAll("\t", "  ")))
    .join("\n");
}

function clean(text: string): string {
  return stripVTControlCharacters(text)
    .replace(/\p{Cc}/gu, "")
    .replace(BIDI, "");
}

/** JSON to print: the same value, with nothing in it that a terminal would obey (JSON itself allows 0x7f–0x9f). */
export function printableJson(value: unknown): string {
  const text = JSON.stringify(value, null, 2) ?? "null";
  return text.replace(
    /[\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Columns that a text takes on a terminal. */
export function width(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length;
  let columns = 0;
  for (const { segment } of graphemes.segment(text)) {
    if (WIDE.test(segment)) columns += 2;
    else if (!MARK.test(segment)) columns += 1;
  }
  return columns;
}

/** The text cut to `columns`, with an ellipsis where something is missing. */
export function fit(text: string, columns: number): string {
  if (width(text) <= columns) return text;
  let kept = "";
  let used = 0;
  for (const { segment } of graphemes.segment(text)) {
    const next = width(segment);
    if (used + next > columns - 1) break;
    kept += segment;
    used += next;
  }
  return `${kept}…`;
}

/** A length of time in its two largest units: `45s`, `3m 10s`, `2h 5m`, `3d 4h`; `80ms` below a second. */
export function duration(ms: number): string {
  if (ms !== 0 && Math.abs(ms) < 1000) return `${Math.round(Math.abs(ms))}ms`;
  const seconds = Math.round(Math.abs(ms) / 1000);
  const parts: [number, string][] = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "m"],
    [seconds % 60, "s"],
  ];
  const first = parts.findIndex(([amount]) => amount > 0);
  if (first === -1) return "0s";
  return parts
    .slice(first, first + 2)
    .filter(([amount]) => amount > 0)
    .map(([amount, unit]) => `${amount}${unit}`)
    .join(" ");
}

/** A time on the wire relative to now: `3m 10s ago`, `in 2h`; `-` for none. */
export function ago(timestamp: string | null | undefined, nowMs: number): string {
  if (!timestamp) return "-";
  const at = Date.parse(timestamp);
  if (Number.isNaN(at)) return plain(timestamp);
  const distance = at - nowMs;
  if (Math.abs(distance) < 1000) return "now";
  return distance < 0 ? `${duration(distance)} ago` : `in ${duration(distance)}`;
}

/** Dollars with as many digits as matter, up to a micro-dollar. */
export function usd(amount: number): string {
  return `$${amount.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 6 })}`;
}

/** `1 bad line`, `1,200 bad lines`. */
export function counted(amount: number, one: string, many = `${one}s`): string {
  return `${amount.toLocaleString("en-US")} ${amount === 1 ? one : many}`;
}

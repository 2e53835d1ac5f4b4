/**
 * Owns what makes two errors the same error: their code, their message without what differs from case to
 * case, and where they were thrown. Never judges whether an error is worth a retry.
 */

export interface FingerprintedError {
  code: string;
  message: string;
  stackTrace: string | null;
}

/** The fingerprint of errors that were recorded before there were fingerprints. */
export const UNKNOWN_FINGERPRINT = "unknown";

/** Longer messages differ at their end in what somebody pasted there. */
const MESSAGE_CHARS = 2_000;
const STACK_CHARS = 20_000;
/** Deeper frames differ by who called, not by what went wrong. */
const FRAMES = 3;

/** 16 hexadecimal digits, the same for errors of one kind, in every release. */
export function fingerprintOf(error: FingerprintedError): string {
  const text = [error.code, messagePattern(error.message), ...topFrames(error.stackTrace ?? "")].join("\n");
  return hash(text, 0x811c9dc5) + hash(text, 0x9747b28c);
}

/** What is replaced, in this order: each rule sees what those before it have left. */
const VARIABLE: readonly (readonly [pattern: RegExp, by: string])[] = [
  [/\b[a-z][a-z0-9+.-]*:\/\/[^\s"'`<>)\]]+/gi, "<url>"],
  [/\b\d{4}-\d\d-\d\d(?:[t ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:z|[+-]\d\d:?\d\d)?)?\b/gi, "<time>"],
  [/\b\d{1,2}:\d\d:\d\d(?:[.,]\d+)?\b/g, "<time>"],
  [/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/gi, "<id>"],
  [/"(?:[^"\\]|\\.)*"|`[^`]*`|“[^”]*”|«[^»]*»/g, "<value>"],
  // An apostrophe stands inside of a word, a quote does not.
  [/(?<![\p{L}\p{N}])'[^']*'(?![\p{L}\p{N}])/gu, "<value>"],
  [/[^\s@<>()]+@[^\s@<>()]+\.[a-z]{2,}/gi, "<email>"],
  [/(?<![\w<])(?:[a-z]:)?(?:[\\/][\w.@%+~-]+){2,}[\\/]?/gi, "<path>"],
  [/\b0x[0-9a-f]+\b/gi, "<hex>"],
  [/\b(?=[a-z]*\d)(?=\d*[a-z])[0-9a-f]{8,}\b/gi, "<hex>"],
  // What a server answers is no measure: 401 and 500 are two errors.
  [/\b(https?(?:\/\d(?:\.\d)?)?|status(?: code)?|answered|code)([ :=]+)([1-5])(\d)(\d)\b/gi, "$1$2$3#$4#$5"],
  [/\b(?=[\w-]*\d)(?=[\w-]*[a-z])[\w-]{12,}\b/gi, "<id>"],
  [/(?<!#)[+-]?\d[\d.,_]*\d(?!#)|(?<!#)[+-]?\d(?!#)/g, "<n>"],
];

/** The message without numbers, ids, quoted values, paths, addresses and times; HTTP statuses stay. */
export function messagePattern(message: string): string {
  let pattern = message.slice(0, MESSAGE_CHARS).normalize("NFC");
  for (const [variable, by] of VARIABLE) pattern = pattern.replace(variable, by);
  return pattern.replaceAll("#", "").replace(/\s+/g, " ").trim().toLowerCase();
}

/** How JavaScript, Java, Python and Go name a frame: a function, a file, or both. */
const FRAME_FORMS: readonly RegExp[] = [
  /^\s*at (?:async )?(?:new )?(?<fn>[^()]+?) ?\((?<file>[^()]*?)(?::\d+){0,2}\)\s*$/,
  /^\s*at (?:async )?(?<file>[^()\s]+?)(?::\d+){1,2}\s*$/,
  /^\s*File "(?<file>[^"]+)", line \d+(?:, in (?<fn>.+?))?\s*$/,
  /^\s+(?<file>\S+\.go):\d+(?: \+0x[0-9a-f]+)?\s*$/,
];

/** The frames nearest to the error, as `function file`, without folders and line numbers. */
function topFrames(stackTrace: string): string[] {
  const lines = stackTrace.slice(0, STACK_CHARS).split("\n");
  const frames = lines.flatMap((line) => {
    for (const form of FRAME_FORMS) {
      const groups = form.exec(line)?.groups;
      if (groups) return [`${nameOf(groups.fn)} ${nameOf(groups.file?.split(/[\\/]/).at(-1))}`];
    }
    return [];
  });
  // Python names the innermost frame last.
  const innermostLast = /^\s*Traceback \(most recent call last\)/m.test(stackTrace);
  return innermostLast ? frames.slice(-FRAMES).reverse() : frames.slice(0, FRAMES);
}

/** A name without the numbers and hashes that builds put into it. */
function nameOf(name: string | undefined): string {
  return (name ?? "")
    .replace(/[?#].*$/, "")
    .replace(/[-.][0-9a-f]{8,}(?=\.)/gi, "")
    .replace(/:\d+$/, "");
}

/** FNV-1a over UTF-16 units with a last mix, as 8 hexadecimal digits: no secret, only a name. */
function hash(text: string, seed: number): string {
  let mixed = seed;
  for (let i = 0; i < text.length; i++) mixed = Math.imul(mixed ^ text.charCodeAt(i), 0x01000193);
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return ((mixed ^ (mixed >>> 16)) >>> 0).toString(16).padStart(8, "0");
}

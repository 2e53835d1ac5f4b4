/** Reads JSON from outside: strict UTF-8, bounded depth, nothing that a database would refuse later. */
import { Problem } from "./problem.ts";

export const MAX_JSON_DEPTH = 64;
const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * Parses `bytes` as JSON. Throws a Problem (`invalid_json` or `json_too_deep`) for anything that is
 * not valid UTF-8, not JSON, nested deeper than 64 levels, or holds a NUL or a lone surrogate.
 */
export function parseStrictJson(bytes: Uint8Array): unknown {
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    throw new Problem("invalid_json", "the body is not valid UTF-8", "Send JSON encoded as UTF-8.");
  }
  refuseDeepText(text);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const where = error instanceof Error ? error.message : String(error);
    throw new Problem("invalid_json", `the body is not JSON: ${where.slice(0, 200)}`, "Send one JSON value.");
  }
  // Only escapes can smuggle in what cannot be stored: raw control characters are refused by JSON.parse, and
  // UTF-8 has no surrogates. So the walk is skipped for nearly every body.
  if (SUSPICIOUS.test(text)) refuseUnstorable(value, "");
  return value;
}

/** An escape, or a number that may be beyond all bounds. */
const SUSPICIOUS = /\\u|\d[eE]\+?\d{3}|\d{309}/;

/** Counts brackets outside of strings, before parsing: JSON.parse itself may recurse too deep. */
function refuseDeepText(text: string): void {
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i);
    if (char === 0x22) i = endOfString(text, i);
    else if (char === 0x7b || char === 0x5b) {
      if (++depth > MAX_JSON_DEPTH) {
        throw new Problem(
          "json_too_deep",
          `the body is nested deeper than ${MAX_JSON_DEPTH} levels`,
          "Flatten the value, or send the nested part as a string.",
        );
      }
    } else if (char === 0x7d || char === 0x5d) depth--;
  }
}

/** Where the string that starts at `start` ends: searched, not walked, because nearly all of a large body is in strings. */
function endOfString(text: string, start: number): number {
  let end = start;
  do {
    end = text.indexOf('"', end + 1);
    if (end === -1) return text.length;
  } while (isEscaped(text, end));
  return end;
}

/** An odd number of backslashes before it. */
function isEscaped(text: string, at: number): boolean {
  let first = at;
  while (text.charCodeAt(first - 1) === 0x5c) first--;
  return (at - first) % 2 === 1;
}

function refuseUnstorable(value: unknown, path: string): void {
  const refused = (what: string, message: string, hint: string) =>
    new Problem("invalid_json", `the ${what} at ${path || "/"} ${message}`, hint, {
      errors: [{ path: path || "/", message }],
    });
  if (typeof value === "string") {
    if (value.includes("\0") || !value.isWellFormed()) {
      const message = "holds a NUL character or a lone surrogate";
      throw refused("text", message, "Remove the character: PostgreSQL cannot store it.");
    }
  } else if (typeof value === "number") {
    if (!Number.isFinite(value)) throw refused("number", "is too large", "Send it as a text.");
  } else if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) refuseUnstorable(value[i], `${path}/${i}`);
  } else if (value !== null && typeof value === "object") {
    for (const [key, inner] of Object.entries(value)) {
      refuseUnstorable(key, `${path}/…`);
      refuseUnstorable(inner, `${path}/${key}`);
    }
  }
}

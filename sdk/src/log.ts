/** Owns how the sdk speaks to operators; never lets a token through. */
import type { Log } from "./definition.ts";

/** One line of JSON to standard error. */
export const logToStandardError: Log = (level, message, details) => {
  let line: string;
  try {
    line = JSON.stringify({ time: new Date().toISOString(), level, message, ...details });
  } catch {
    line = JSON.stringify({ time: new Date().toISOString(), level, message });
  }
  process.stderr.write(`${line}\n`);
};

/** A text without the secret. */
export function strike(secret: string, text: string): string {
  return secret === "" ? text : text.replaceAll(secret, "[token]");
}

/** What JSON would lose or refuse. */
function readable(_name: string, value: unknown): unknown {
  if (value instanceof Error) return value.stack ?? value.message;
  return typeof value === "bigint" ? String(value) : value;
}

/** The same log for one attempt: names it in every line, and strikes out its token. Never throws. */
export function attemptLog(log: Log, token: string, about: Record<string, unknown>): Log {
  return (level, message, details) => {
    let clean: Record<string, unknown>;
    try {
      clean = JSON.parse(strike(token, JSON.stringify({ ...about, ...details }, readable)));
    } catch {
      clean = { ...about, details: "cannot be written as JSON" };
    }
    try {
      log(level, strike(token, message), clean);
    } catch {
      // A log that fails must not fail the work.
    }
  };
}

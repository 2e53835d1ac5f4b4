/** Owns where the orchestrator is and with which key it is spoken to. Never talks to it. */
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { Failure, UsageError } from "./failure.ts";
import type { Terminal } from "./terminal.ts";

export const DEFAULT_URL = "http://127.0.0.1:8080";
const KEY_FILE = "admin-key";

export interface Connection {
  /** Without a slash at its end. */
  url: string;
  key: string;
  /** Where the key came from, for people whose key is refused. */
  keySource: string;
  /** Who answers there; the orchestrator where it is left out. */
  service?: "n8n";
}

/** Finds address and key. Throws a UsageError for a wrong address and a Failure where there is no key. */
export function findConnection(terminal: Terminal, urlOption: string | undefined): Connection {
  return { url: findUrl(terminal, urlOption), ...findKey(terminal) };
}

function findUrl(terminal: Terminal, urlOption: string | undefined): string {
  const given = urlOption ?? (terminal.env.ORCHESTRATOR_URL?.trim() || DEFAULT_URL);
  return checkedUrl(given, urlOption === undefined ? "ORCHESTRATOR_URL" : "--url");
}

/** An address without a slash at its end. Throws a UsageError for one that cannot be called, with where it came from. */
export function checkedUrl(given: string, source: string): string {
  let url: URL;
  try {
    url = new URL(given);
  } catch {
    throw new UsageError(`${source} is no address: "${given}"`, `write it like ${DEFAULT_URL}`);
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new UsageError(`${source} is neither http nor https: "${given}"`, `write it like ${DEFAULT_URL}`);
  }
  // fetch refuses such an address with a message that repeats the password.
  if (url.username || url.password) {
    throw new UsageError(`${source} holds a user name or password`, "give the key by ORCHESTRATOR_API_KEY");
  }
  return `${url.origin}${url.pathname}`.replace(/\/+$/, "");
}

function findKey({ env, cwd }: Terminal): { key: string; keySource: string } {
  for (const name of ["ORCHESTRATOR_API_KEY", "ORCHESTRATOR_ADMIN_KEY"]) {
    const key = env[name]?.trim();
    if (key) return { key: headerSafe(key, name), keySource: name };
  }
  const file = join(resolve(cwd, env.DATA_DIR?.trim() || "./data"), KEY_FILE);
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new Failure(`no API key: ${missing(file, error as NodeJS.ErrnoException)}`, HOW_TO_GET_A_KEY);
  }
  const key = text.trim();
  if (!key) throw new Failure(`no API key: ${file} is empty`, HOW_TO_GET_A_KEY);
  return { key: headerSafe(key, file), keySource: file };
}

const HOW_TO_GET_A_KEY =
  "set ORCHESTRATOR_API_KEY; or run this where the orchestrator runs, in its folder (its first start leaves a key in " +
  'DATA_DIR); or let an administrator make one: orchestrator keys create --name "…" --role operator';

function missing(file: string, error: NodeJS.ErrnoException): string {
  if (error.code === "EACCES") return `${file} is readable by its owner only, and that is not you`;
  return `neither ORCHESTRATOR_API_KEY nor ORCHESTRATOR_ADMIN_KEY is set, and there is no ${file}`;
}

/** A key with a line break or an umlaut cannot travel in a header; fetch would say so with the key in its message. */
function headerSafe(key: string, source: string): string {
  if (/^[\x21-\x7e]+$/.test(key)) return key;
  throw new Failure(
    `the API key from ${source} holds blanks or other than ASCII characters`,
    HOW_TO_GET_A_KEY,
  );
}

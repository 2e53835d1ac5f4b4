/** Owns reading the exported workflows beside it: n8n 1.x (`v1-…`) and 2.x (`v2-…`), small, made by hand. */
import { readdirSync, readFileSync } from "node:fs";

const FOLDER = new URL("./", import.meta.url);

export const FIXTURES = readdirSync(FOLDER)
  .filter((name) => name.endsWith(".json"))
  .map((name) => name.replace(/\.json$/, ""));

export function exported(name: string): Buffer {
  return readFileSync(new URL(`${name}.json`, FOLDER));
}

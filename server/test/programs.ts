/** Owns where other people's programs are on this machine, for tests that prove things with real ones. Starts none. */
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";

/** Null if it is not installed; servers are often in folders that are not among a person's. */
export function findProgram(name: string): string | null {
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/usr/local/sbin"];
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path)) ?? null;
}

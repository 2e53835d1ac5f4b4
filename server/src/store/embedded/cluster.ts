/** Owns the data directory: where the cluster and its password are, and their first creation. Never a process that stays. */
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import {
  chmod,
  chown,
  link,
  lstat,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  readlink,
  realpath,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { Problem } from "@master-orchestrator/contract";
import { type Binaries, exists, findBinaries } from "./binaries.ts";
import { canEnter, chooseIdentity, type Identity, type Strategy, spawnAs } from "./identity.ts";

export type Log = (
  level: "info" | "warn" | "error",
  message: string,
  details?: Record<string, unknown>,
) => void;

export interface Cluster {
  dataDir: string;
  /** The cluster itself, free of symbolic links: the server names its directory that way. */
  path: string;
  password: string;
  identity: Identity;
  binaries: Binaries;
  settings: Record<string, string>;
  log: Log;
}

/** For tests: the strategy to use, and where files go that the server's user cannot reach at home. */
export interface Trial {
  strategy?: Strategy;
  outside?: string;
}

const STALE_TEMPORARY_MS = 600_000;

/**
 * The cluster of `dataDir`, created if there is none. A kill at any moment leaves either no cluster or a whole
 * one, with its password; two processes may do this at once. Throws Problem `database_unavailable`.
 */
export async function openCluster(
  options: { dataDir: string; log: Log; settings?: Record<string, string> },
  trial: Trial,
): Promise<Cluster> {
  const { log, settings = {} } = options;
  const dataDir = await ownDirectory(options.dataDir);
  const identity = chooseIdentity(trial.strategy);
  const outside = () => openOutside(trial.outside);
  const binaries = await findBinaries(identity, outside);
  const { path: home, moved } = await locate(dataDir, identity, outside, log);
  const isNew = !(await exists(join(home, "PG_VERSION")));
  const password = await passwordOf(dataDir, home, isNew);
  await removeLeftovers(dirname(home));
  const cluster = { dataDir, path: home, password, identity, binaries, settings, log };
  if (isNew) await create(cluster);
  // Only now, so that a link that leads nowhere always means that data was lost.
  if (moved) await symlink(home, join(dataDir, "postgres")).catch(ignore("EEXIST"));
  return { ...cluster, path: await realpath(home) };
}

/** Mode 0700 if we made it or it was empty; a directory in use for other things keeps the mode it has. */
async function ownDirectory(path: string): Promise<string> {
  await mkdir(dirname(resolve(path)), { recursive: true });
  await mkdir(path, { mode: 0o700 }).catch(ignore("EEXIST"));
  if ((await readdir(path)).length === 0) await chmod(path, 0o700);
  return realpath(path);
}

async function locate(dataDir: string, identity: Identity, outside: () => Promise<string>, log: Log) {
  const inside = join(dataDir, "postgres");
  const target = await readlink(inside).catch(() => null);
  if (target !== null && !(await exists(join(inside, "PG_VERSION")))) {
    const hint = `Bring ${target} back (a backup, a volume); to start empty, remove the link ${inside}.`;
    throw new Problem("database_unavailable", `The database of ${dataDir} is gone from ${target}.`, hint);
  }
  const path = target === null ? inside : await realpath(inside);
  await letPass(identity, dirname(path));
  if (canEnter(identity, dirname(path))) return { path, moved: false };
  if (await exists(join(path, "PG_VERSION"))) {
    const hint = "Run as the user who owns it, or move DATA_DIR out of private directories.";
    throw new Problem("database_unavailable", `The user that runs PostgreSQL cannot reach ${path}.`, hint);
  }
  const name = createHash("sha256").update(dataDir).digest("hex").slice(0, 16);
  const place = join(await outside(), name);
  await mkdir(place, { recursive: true, mode: 0o700 });
  await letPass(identity, place);
  log("info", `the database is in ${place}: PostgreSQL refuses root, and its user cannot enter ${dataDir}`);
  return { path: join(place, "postgres"), moved: true };
}

/** Lets the server's group through (not: read) our own private directory. */
async function letPass(identity: Identity, directory: string): Promise<void> {
  if (identity.strategy !== "user" || canEnter(identity, directory)) return;
  const { uid, mode } = await stat(directory);
  if (uid !== process.getuid?.() || !canEnter(identity, dirname(directory))) return;
  await chown(directory, uid, identity.owner!.gid);
  await chmod(directory, (mode & 0o707) | 0o010);
}

async function openOutside(forced?: string): Promise<string> {
  const candidates = forced ? [forced] : ["/var/lib", tmpdir()].map((at) => join(at, "master-orchestrator"));
  for (const path of candidates) {
    const mine = await mkdir(path, { recursive: true, mode: 0o755 })
      .then(() => lstat(path))
      .then((found) => found.isDirectory() && found.uid === process.getuid?.())
      .catch(() => false);
    if (!mine) continue; // not writable, or (in a shared temporary directory) laid there by someone else
    await chmod(path, 0o755); // whatever the umask
    return path;
  }
  const hint = "Run as an ordinary user, or set DATABASE_URL to a PostgreSQL server.";
  throw new Problem("database_unavailable", `None of ${candidates.join(", ")} can hold the database.`, hint);
}

/** The password is there before the cluster and never replaced, so that no crash can part the two. */
async function passwordOf(dataDir: string, home: string, isNew: boolean): Promise<string> {
  const file = join(dataDir, "postgres-password");
  if (isNew && !(await exists(file))) {
    const draft = `${file}.${randomBytes(6).toString("hex")}`;
    await writeFile(draft, randomBytes(24).toString("hex"), { mode: 0o600, flag: "wx", flush: true });
    // A link, unlike a rename, replaces nothing: of two first starts, both go on with the same password.
    await link(draft, file).catch(ignore("EEXIST"));
    await rm(draft);
  }
  const password = (await readFile(file, "utf8").catch(ignore("ENOENT")))?.trim();
  if (password) return password;
  const hint = `Restore that file from a backup; to start empty, move ${home} away.`;
  throw new Problem("database_unavailable", `The password of ${home} is missing from ${file}.`, hint);
}

async function create(cluster: Cluster): Promise<void> {
  const { identity, path, password, settings } = cluster;
  const started = performance.now();
  const parent = dirname(path);
  const temporary = await mkdtemp(join(parent, "postgres.new-"));
  try {
    const secret = join(temporary, "password");
    await writeFile(secret, password, { mode: 0o600 });
    const { owner } = identity;
    for (const made of owner ? [secret, temporary] : []) await chown(made, owner!.uid, owner!.gid);
    const made = join(temporary, "cluster");
    await runInitdb(cluster, [
      ...["-D", made, `--pwfile=${secret}`, "--username=postgres", "--auth=scram-sha-256"],
      ...["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"],
      ...(settings.fsync === "off" ? ["--no-sync"] : []),
    ]);
    // A rename onto a full directory fails: then another process was first.
    await rename(made, path).catch(async (cause) => {
      if (await exists(join(path, "PG_VERSION"))) return;
      const hint = "Move what is there away, or set another DATA_DIR.";
      throw new Problem("database_unavailable", `${path} is not a database directory.`, hint, { cause });
    });
    const directory = await open(parent);
    await directory.sync().finally(() => directory.close()); // the name must survive a power loss, as the data does
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
  cluster.log("info", `created a database in ${path}`, { ms: Math.round(performance.now() - started) });
}

async function runInitdb({ identity, binaries, path }: Cluster, args: string[]): Promise<void> {
  const child = spawnAs(identity, binaries.initdb, args, ["ignore", "pipe", "pipe"]);
  let output = "";
  for (const stream of [child.stdout!, child.stderr!]) stream.on("data", (text) => (output += text));
  const [code] = await once(child, "close");
  if (code === 0) return;
  const hint = `Check the space and the permissions there. initdb said: ${output.trim().slice(-1000)}`;
  throw new Problem("database_unavailable", `No database could be created in ${path}.`, hint);
}

/** What killed first starts left; young ones may be another process's work in progress. */
async function removeLeftovers(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    if (!/^postgres\.new-|^postgres-password\./.test(name)) continue;
    const path = join(parent, name);
    const age = Date.now() - ((await stat(path).catch(ignore("ENOENT")))?.mtimeMs ?? Date.now());
    if (age > STALE_TEMPORARY_MS) await rm(path, { recursive: true, force: true });
  }
}

/** For `catch`: lets one expected error code pass. */
function ignore(code: string): (error: NodeJS.ErrnoException) => undefined {
  return (error) => {
    if (error.code !== code) throw error;
  };
}

/** Owns the question as whom PostgreSQL runs, which refuses root. Never touches the process's own identity. */
import { type ChildProcess, type SpawnOptions, spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { lchown, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { Problem } from "@master-orchestrator/contract";

/**
 * `direct`: as ourselves. `namespace`: root's own files, seen by the server as those of an ordinary user
 * (`unshare`). `user`: as the system user `nobody`, for machines that refuse user namespaces.
 */
export type Strategy = "direct" | "namespace" | "user";

export interface Identity {
  strategy: Strategy;
  /** Who has to own the server's files on disk; null: whoever we are. */
  owner: { uid: number; gid: number } | null;
  prefix: string[];
}

/** The first identity that works here, or only `forced`. Throws Problem `database_unavailable` if none does. */
export function chooseIdentity(forced?: Strategy): Identity {
  if (process.getuid?.() !== 0) return { strategy: "direct", owner: null, prefix: [] };
  const user = ordinaryUser();
  // No --fork: the server keeps the pid we spawned. Root outside is the ordinary user inside.
  const prefix = ["unshare", "--user", `--map-user=${user.uid}`, `--map-group=${user.gid}`];
  const choices: Identity[] = [
    { strategy: "namespace", owner: { uid: 0, gid: 0 }, prefix },
    { strategy: "user", owner: user, prefix: [] },
  ];
  const allowed = choices.filter(({ strategy }) => forced === undefined || strategy === forced);
  const found = allowed.find((identity) => canRun(identity, "true", []));
  if (found) return found;
  const hint = "Run the orchestrator as an ordinary user, or set DATABASE_URL to a PostgreSQL server.";
  const message = "PostgreSQL refuses to run as root, and this system lets root become nobody else.";
  throw new Problem("database_unavailable", message, hint);
}

/** initdb looks its user up by name, so the uid has to be one that the machine knows. */
function ordinaryUser(): { uid: number; gid: number } {
  const rows = readFileSync("/etc/passwd", "utf8").split("\n");
  const users = rows.map((row) => row.split(":")).filter((row) => row.length > 3 && Number(row[2]) !== 0);
  const row = users.find(([name]) => name === "nobody") ?? users[0] ?? [];
  return { uid: Number(row[2] ?? 65534) >>> 0, gid: Number(row[3] ?? 65534) >>> 0 }; // macOS writes nobody as -2
}

/** Spawns in a process group of its own (Ctrl-C must not reach the server before we stop it in order). */
export function spawnAs(
  identity: Identity,
  command: string,
  args: string[],
  stdio: SpawnOptions["stdio"],
): ChildProcess {
  const [file, ...rest] = [...identity.prefix, command, ...args];
  return spawn(file!, rest, { ...spawnOptions(identity), stdio, detached: true });
}

export function canRun(identity: Identity, command: string, args: string[]): boolean {
  const [file, ...rest] = [...identity.prefix, command, ...args];
  const options = { ...spawnOptions(identity), stdio: "ignore", timeout: 10_000 } as const;
  return spawnSync(file!, rest, options).status === 0;
}

/** Whether the server's identity can enter a directory: asked of the system, since mode bits are not all. */
export function canEnter(identity: Identity, directory: string): boolean {
  return identity.owner === null || canRun(identity, "sh", ["-c", 'cd "$1"', "sh", directory]);
}

function spawnOptions(identity: Identity) {
  // A short environment: our secrets are none of the server's business, and PG* variables would mislead it.
  const { PATH, LD_LIBRARY_PATH, SystemRoot } = process.env;
  const ids =
    identity.strategy === "user" && identity.owner
      ? { uid: identity.owner.uid | 0, gid: identity.owner.gid | 0 } // spawn takes signed numbers, chown unsigned
      : {};
  const env = {
    PATH,
    LC_ALL: "C",
    ...(LD_LIBRARY_PATH && { LD_LIBRARY_PATH }),
    ...(SystemRoot && { SystemRoot }),
  };
  return { cwd: "/", windowsHide: true, env, ...ids };
}

/** Gives a whole directory to the server's identity, if another strategy left it. Only while no server runs. */
export async function takeOwnership(identity: Identity, directory: string): Promise<void> {
  const { owner } = identity;
  if (owner === null || (await stat(directory)).uid === owner.uid) return;
  const entries = await readdir(directory, { recursive: true });
  for (const entry of entries) await lchown(join(directory, entry), owner.uid, owner.gid);
  await lchown(directory, owner.uid, owner.gid); // last: it marks the rest as done
}

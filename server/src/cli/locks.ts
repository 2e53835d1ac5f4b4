/** Owns `orchestrator locks …`: who holds what, and taking a lock from whoever holds it. Acquires none. */
import type { Lock } from "@master-orchestrator/contract";
import type { Command } from "commander";
import { path } from "./api.ts";
import { addGroup, addListing, fetchList, showList, withPaging } from "./list.ts";
import { type Options, type Session, type Shell, withAction } from "./session.ts";
import { ago, plain } from "./text.ts";

/** Registers the group. */
export function addLocks(program: Command, shell: Shell): void {
  const group = addGroup(program, "locks", "locks of workflows that still run on their own clock");
  withPaging(addListing(group, shell, "list locks by name", list)).option(
    "--held",
    "only those that are held",
  );
  withAction(
    group.command("break").description("take a lock from whoever holds it").argument("<name>"),
    shell,
    async (session, [name]) => {
      const lock = await session.api<Lock>("POST", path`/api/v1/locks/${name!}/break`);
      session.show(lock, () => session.screen.line(`${plain(lock.name)}: ${lock.held ? "held" : "free"}`));
      return undefined;
    },
  );
}

async function list(session: Session, _args: string[], options: Options): Promise<undefined> {
  const now = session.terminal.now();
  const query = { held: options.held === true ? "true" : undefined };
  const locks = await fetchList<Lock>(session, "/api/v1/locks", "locks", query, options);
  const layout = [
    { title: "LOCK", value: (lock: Lock) => lock.name, shrinks: true },
    { title: "HOLDER", value: (lock: Lock) => lock.holder, shrinks: true },
    { title: "FENCE", value: (lock: Lock) => lock.fence, right: true },
    { title: "ACQUIRED", value: (lock: Lock) => ago(lock.acquired_at, now) },
    { title: "EXPIRES", value: (lock: Lock) => ago(lock.expires_at, now) },
    { title: "WAITING", value: (lock: Lock) => lock.waiting, right: true },
    { title: "GRANTS", value: (lock: Lock) => lock.grants, right: true },
    { title: "REFUSED", value: (lock: Lock) => lock.refusals, right: true },
    { title: "EXPIRED", value: (lock: Lock) => lock.expirations, right: true },
  ];
  showList(session, locks, layout, "no locks");
}

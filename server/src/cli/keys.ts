/** Owns `orchestrator keys …`: API keys for people and programs. Never stores a key. */
import { type ApiKey, type NewApiKeyAnswer, ROLES } from "@master-orchestrator/contract";
import type { Command } from "commander";
import type { z } from "zod";
import { path } from "./api.ts";
import { oneOf } from "./failure.ts";
import { addGroup, addListing } from "./list.ts";
import { type Options, type Session, type Shell, timeOption, withAction } from "./session.ts";
import { ago, plain } from "./text.ts";

type Key = z.infer<typeof ApiKey>;

/** Registers the group. */
export function addKeys(program: Command, shell: Shell): void {
  const group = addGroup(program, "keys", "create, list and revoke API keys");
  addListing(group, shell, "list keys (never the keys themselves)", list);
  const createCommand = group
    .command("create")
    .description("make a key; it is printed once, alone on standard output")
    .requiredOption("--name <name>", "whose it is, or what for")
    .requiredOption("--role <role>", ROLES.join(", "))
    .option("--expires <time>", "when it ends (2026-12-01T09:00:00Z, 2026-12-01, or 30d from now)");
  withAction(createCommand, shell, create);
  withAction(
    group.command("revoke").description("make a key worthless at once").argument("<key-id>"),
    shell,
    async (session, [id]) => {
      const answer = await session.api<unknown>("DELETE", path`/api/v1/api-keys/${id!}`);
      session.show(answer, () => session.screen.line(`${plain(id)} is revoked`));
      return undefined;
    },
  );
}

async function create(session: Session, _args: string[], options: Options): Promise<undefined> {
  const role = oneOf("role", ROLES, String(options.role));
  const body = {
    name: String(options.name),
    role,
    ...(options.expires === undefined
      ? {}
      : { expires_at: timeOption("--expires", String(options.expires), session.terminal.now(), 1) }),
  };
  const answer = await session.api<z.infer<typeof NewApiKeyAnswer>>("POST", "/api/v1/api-keys", { body });
  session.show(answer, () => {
    session.screen.remark(`key ${plain(answer.key_id)} with role ${role}; it is shown this once:`);
    session.screen.line(plain(answer.key));
  });
}

async function list(session: Session): Promise<undefined> {
  const now = session.terminal.now();
  const answer = await session.api<{ api_keys: Key[] }>("GET", "/api/v1/api-keys");
  session.show(answer, () =>
    session.screen.table<Key>(
      [
        { title: "KEY", value: (each) => each.key_id },
        { title: "ROLE", value: (each) => each.role },
        { title: "STATE", value: (each) => keyState(each, now) },
        { title: "CREATED", value: (each) => ago(each.created_at, now) },
        { title: "NAME", value: (each) => each.name, shrinks: true },
      ],
      answer.api_keys,
      "no keys",
    ),
  );
}

function keyState(key: Key, nowMs: number): string {
  if (key.revoked_at) return `revoked ${ago(key.revoked_at, nowMs)}`;
  if (!key.expires_at) return "valid";
  const ended = Date.parse(key.expires_at) <= nowMs;
  return `${ended ? "expired" : "expires"} ${ago(key.expires_at, nowMs)}`;
}

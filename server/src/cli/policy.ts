/** Owns `orchestrator policy …`: showing, changing, and going back. Never judges a policy; the server does. */
import type { PolicyVersion } from "@master-orchestrator/contract";
import type { Command } from "commander";
import type { z } from "zod";
import { readJsonFile } from "./json-file.ts";
import { addGroup, fetchList, showList, withPaging } from "./list.ts";
import type { Screen } from "./screen.ts";
import { type Options, type Session, type Shell, wholeNumber, withAction } from "./session.ts";
import { ago, plain, printableJson } from "./text.ts";

type Version = z.infer<typeof PolicyVersion>;

/** Registers the group. */
export function addPolicy(program: Command, shell: Shell): void {
  const group = addGroup(program, "policy", "show, change and roll back how decisions are made");
  withAction(
    group.command("show", { isDefault: true }).description("the policy in force"),
    shell,
    async (session) => {
      const version = await session.api<Version>("GET", "/api/v1/policy");
      session.show(version, () => render(session, version));
      return undefined;
    },
  );
  const set = group
    .command("set")
    .description("change the policy; a file may hold only what changes")
    .argument("<file>", "a JSON file, or -")
    .option("--comment <text>", "why, for the history");
  withAction(set, shell, change);
  withAction(
    withPaging(group.command("history").description("all versions, the latest first")),
    shell,
    history,
  );
  withAction(
    group.command("rollback").description("put an earlier version in force again").argument("<version>"),
    shell,
    async (session, [text]) => {
      const version = wholeNumber("the version", text!, 1, 2_147_483_647);
      const answer = await session.api<Version>("POST", "/api/v1/policy/rollback", { body: { version } });
      session.show(answer, () => inForce(session.screen, answer, ` (as version ${version} was)`));
      return undefined;
    },
  );
}

function render({ screen, terminal }: Session, version: Version): void {
  // A remark, so that stdout is the policy alone and can be edited and set again.
  screen.remark(
    `version ${version.version}, by ${plain(version.changed_by)} ${ago(version.changed_at, terminal.now())}`,
  );
  if (version.comment) screen.remark(plain(version.comment));
  screen.line(printableJson(version.policy));
}

async function change(session: Session, [file]: string[], options: Options): Promise<undefined> {
  const document = await readJsonFile(file!, session.terminal);
  // What `policy show --json` printed may be set again as it is.
  const policy = "policy" in document ? document.policy : document;
  const body = { policy, comment: options.comment as string | undefined };
  const answer = await session.api<Version>("PUT", "/api/v1/policy", { body });
  session.show(answer, () => inForce(session.screen, answer, ""));
}

function inForce(screen: Screen, answer: Version, origin: string): void {
  screen.line(`policy version ${answer.version}${origin} is in force from the next cycle on`);
}

async function history(session: Session, _args: string[], options: Options): Promise<undefined> {
  const now = session.terminal.now();
  const versions = await fetchList<Version>(session, "/api/v1/policy/history", "versions", {}, options);
  const layout = [
    { title: "VERSION", value: (each: Version) => each.version, right: true },
    { title: "CHANGED", value: (each: Version) => ago(each.changed_at, now) },
    { title: "BY", value: (each: Version) => each.changed_by },
    { title: "COMMENT", value: (each: Version) => each.comment, shrinks: true },
  ];
  showList(session, versions, layout, "no versions");
}

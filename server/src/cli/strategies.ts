/** Owns `orchestrator strategies …`: what is in force, its history, putting rules in force and going back. Measures nothing. */
import type { InForce, Strategy } from "@master-orchestrator/contract";
import type { Command } from "commander";
import type { z } from "zod";
import { readJsonFile } from "./json-file.ts";
import { addGroup, addListing, fetchList, showList, withPaging } from "./list.ts";
import { type Options, type Session, type Shell, wholeNumber, withAction } from "./session.ts";
import { ago, printableJson } from "./text.ts";

const LIST = "/api/v1/content/strategies";

/** Registers the group. */
export function addStrategies(program: Command, shell: Shell): void {
  const group = addGroup(program, "strategies", "what offer or variant is in force for which articles");
  withPaging(addListing(group, shell, "all versions, the latest first", list));
  withAction(
    group
      .command("in-force")
      .description("the rules in force")
      .option("--article <article-id>", "only those that hold for this article"),
    shell,
    async (session, _args, { article }) => {
      const query = { article_id: article as string | undefined };
      const answer = await session.api<z.infer<typeof InForce>>("GET", `${LIST}/in-force`, { query });
      session.show(answer, () => {
        session.screen.remark(`version ${answer.version}`);
        session.screen.line(printableJson(answer.rules));
      });
      return undefined;
    },
  );
  withAction(
    group
      .command("set")
      .description('put the rules of a JSON file in force: {"rules": […], "reason": "…"}')
      .argument("<file>"),
    shell,
    async (session, [file]) => {
      const body = await readJsonFile(file!, session.terminal);
      const strategy = await session.api<Strategy>("PUT", LIST, { body });
      session.show(strategy, () => session.screen.line(`version ${strategy.version} is in force`));
      return undefined;
    },
  );
  withAction(
    group
      .command("roll-back")
      .description("bring back the version before, or the one you name")
      .argument("[version]")
      .option("--reason <text>", "why, for the record"),
    shell,
    async (session, [text], { reason }) => {
      const to_version = text === undefined ? undefined : wholeNumber("the version", text, 0, 1_000_000_000);
      const strategy = await session.api<Strategy>("POST", `${LIST}/roll-back`, {
        body: { to_version, reason },
      });
      const restored = strategy.restores === null ? "nothing" : `the rules of version ${strategy.restores}`;
      session.show(strategy, () =>
        session.screen.line(`version ${strategy.version} is in force: ${restored}`),
      );
      return undefined;
    },
  );
}

async function list(session: Session, _args: string[], options: Options): Promise<undefined> {
  const now = session.terminal.now();
  const strategies = await fetchList<Strategy>(session, LIST, "strategies", {}, options);
  const layout = [
    { title: "VERSION", value: (each: Strategy) => each.version, right: true },
    { title: "KIND", value: (each: Strategy) => each.kind },
    { title: "IN FORCE", value: (each: Strategy) => (each.in_force ? "yes" : null) },
    { title: "SINCE", value: (each: Strategy) => ago(each.in_force_at, now) },
    { title: "BY", value: (each: Strategy) => each.created_by },
    { title: "EFFECT", value: (each: Strategy) => each.effect?.verdict },
    { title: "REASON", value: (each: Strategy) => each.reason, shrinks: true },
  ];
  showList(session, strategies, layout, "no strategies");
}

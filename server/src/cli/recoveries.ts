/** Owns `orchestrator recoveries …` and `set-aside …`: what is done about trouble, and ending it by hand. Decides nothing. */
import type { Recovery, RecoveryList, SetAside, SetAsideList } from "@master-orchestrator/contract";
import type { Command } from "commander";
import type { z } from "zod";
import { path } from "./api.ts";
import { printFields, printValue } from "./details.ts";
import { addGroup, addListing, fetchList, showList, withPaging } from "./list.ts";
import { type Options, type Session, type Shell, withAction } from "./session.ts";
import { ago, plain } from "./text.ts";

type RecoveryRow = z.infer<typeof RecoveryList>["recoveries"][number];
type AsideRow = z.infer<typeof SetAsideList>["set_aside"][number];

/** Registers both groups. */
export function addRecoveries(program: Command, shell: Shell): void {
  const group = addGroup(program, "recoveries", "what is and was done about trouble, and ending it by hand");
  withPaging(addListing(group, shell, "list recoveries, the latest first", list)).option(
    "--open",
    "only those that are open",
  );
  withAction(
    group.command("show").description("cause, numbers and rules of one").argument("<recovery-id>"),
    shell,
    async (session, [id]) => {
      const recovery = await session.api<z.infer<typeof Recovery>>("GET", path`/api/v1/recoveries/${id!}`);
      session.show(recovery, () => render(session, recovery));
      return undefined;
    },
  );
  withAction(
    group.command("close").description("end one; its cause may begin it again").argument("<recovery-id>"),
    shell,
    async (session, [id]) => {
      const closed = await session.api<z.infer<typeof Recovery>>(
        "POST",
        path`/api/v1/recoveries/${id!}/close`,
      );
      session.show(closed, () =>
        session.screen.line(`${plain(closed.procedure)} of ${plain(closed.subject)}: ${closed.state}`),
      );
      return undefined;
    },
  );
  addSetAside(program, shell);
}

async function list(session: Session, _args: string[], options: Options): Promise<undefined> {
  const now = session.terminal.now();
  const query = { open: options.open === true ? "true" : undefined };
  const recoveries = await fetchList<RecoveryRow>(
    session,
    "/api/v1/recoveries",
    "recoveries",
    query,
    options,
  );
  const layout = [
    { title: "RECOVERY", value: (each: RecoveryRow) => each.recovery_id },
    { title: "PROCEDURE", value: (each: RecoveryRow) => each.procedure },
    { title: "SUBJECT", value: (each: RecoveryRow) => each.subject, shrinks: true },
    { title: "STATE", value: (each: RecoveryRow) => each.state },
    { title: "OPENED", value: (each: RecoveryRow) => ago(each.opened_at, now) },
    { title: "NEXT", value: (each: RecoveryRow) => (each.next_at ? ago(each.next_at, now) : null) },
    { title: "CAUSE", value: (each: RecoveryRow) => each.closed_reason ?? each.cause, shrinks: true },
  ];
  showList(session, recoveries, layout, "no recoveries");
}

function render({ screen, terminal }: Session, recovery: z.infer<typeof Recovery>): void {
  const now = terminal.now();
  const at = (time: string | null) => (time === null ? null : ago(time, now));
  printFields(screen, {
    recovery: plain(recovery.recovery_id),
    procedure: plain(recovery.procedure),
    subject: plain(recovery.subject),
    state: plain(recovery.state),
    cause: plain(recovery.cause),
    "begins when": plain(recovery.entry_rule),
    "ends when": plain(recovery.exit_rule),
    opened: at(recovery.opened_at),
    next: at(recovery.next_at),
    closed: at(recovery.closed_at),
    "closed by": recovery.closed_by && plain(recovery.closed_by),
    because: recovery.closed_reason && plain(recovery.closed_reason),
  });
  printValue(screen, "numbers", recovery.numbers);
}

function addSetAside(program: Command, shell: Shell): void {
  const group = addGroup(program, "set-aside", "what no cycle could stomach, and putting it back");
  withPaging(addListing(group, shell, "list what is set aside, the latest first", listAside)).option(
    "--all",
    "those that were put back as well",
  );
  withAction(
    group
      .command("put-back")
      .description("give it to the next cycle, once the cause is mended")
      .argument("<set-aside-id>"),
    shell,
    async (session, [id]) => {
      const back = await session.api<z.infer<typeof SetAside>>(
        "POST",
        path`/api/v1/set-aside/${id!}/put-back`,
      );
      session.show(back, () => session.screen.line(`${back.kind} ${plain(back.item)}: put back`));
      return undefined;
    },
  );
}

async function listAside(session: Session, _args: string[], options: Options): Promise<undefined> {
  const now = session.terminal.now();
  const query = { all: options.all === true ? "true" : undefined };
  const asides = await fetchList<AsideRow>(session, "/api/v1/set-aside", "set_aside", query, options);
  const layout = [
    { title: "SET ASIDE", value: (each: AsideRow) => each.set_aside_id },
    { title: "WHAT", value: (each: AsideRow) => `${each.kind} ${each.item}`, shrinks: true },
    { title: "EXECUTION", value: (each: AsideRow) => each.execution_id },
    { title: "AT", value: (each: AsideRow) => ago(each.at, now) },
    { title: "PUT BACK", value: (each: AsideRow) => (each.put_back_at ? ago(each.put_back_at, now) : null) },
    { title: "ERROR", value: (each: AsideRow) => each.error.message, shrinks: true },
  ];
  showList(session, asides, layout, "nothing is set aside");
}

/** Owns `orchestrator budget …`: the day's money, the providers' limits, the ledger. Never changes them; the policy does. */
import {
  LEDGER_GROUPS,
  type LedgerEntry,
  type LedgerSummary,
  type Resources,
} from "@master-orchestrator/contract";
import type { Command } from "commander";
import type { z } from "zod";
import { printFields } from "./details.ts";
import { oneOf } from "./failure.ts";
import { addGroup, fetchList, showList, withPaging } from "./list.ts";
import { type Options, type Session, type Shell, withAction } from "./session.ts";
import { ago } from "./text.ts";

type Entry = z.infer<typeof LedgerEntry>;
type Summary = z.infer<typeof LedgerSummary>;
type Limit = z.infer<typeof Resources>["providers"][string]["limits"][number];

/** Registers the group. */
export function addBudget(program: Command, shell: Shell): void {
  const group = addGroup(
    program,
    "budget",
    "the day's money, the providers' limits, and the ledger of calls",
  );
  withAction(
    group.command("show", { isDefault: true }).description("how the day's money and the limits stand"),
    shell,
    show,
  );
  withAction(
    group
      .command("summary")
      .description("reconcile a day: what was reserved, settled, released, by whom")
      .option("--day <date>", "a UTC day, 2026-12-01; today unless told")
      .option("--by <what>", LEDGER_GROUPS.join(", "), "provider"),
    shell,
    summary,
  );
  const ledgerCommand = group
    .command("ledger")
    .description("single calls, the latest first")
    .option("--day <date>", "of a UTC day")
    .option("--provider <name>", "of one provider")
    .option("--state <state>", "held, settled or released")
    .option("--execution <id>", "of one execution")
    .option("--task <id>", "of one task")
    .option("--fallbacks", "only where another model was called than was asked for");
  withAction(withPaging(ledgerCommand), shell, ledger);
}

async function show(session: Session): Promise<undefined> {
  const answer = await session.api<z.infer<typeof Resources>>("GET", "/api/v1/resources");
  session.show(answer, () => {
    const { budget, providers } = answer;
    printFields(session.screen, {
      day: `${budget.day} (UTC)`,
      budget: dollars(budget.daily_usd),
      settled: dollars(budget.settled_usd),
      held: dollars(budget.held_usd),
      left: dollars(budget.left_usd),
      forecast: dollars(budget.forecast_usd),
    });
    session.screen.line();
    const now = session.terminal.now();
    session.screen.table<Limit>(
      [
        { title: "LIMIT", value: (each) => each.name },
        { title: "USED", value: (each) => each.used, right: true },
        { title: "OF", value: (each) => each.limit, right: true },
        { title: "NEXT FREE", value: (each) => (each.next_free_at ? ago(each.next_free_at, now) : "now") },
      ],
      Object.values(providers).flatMap((provider) => provider.limits),
      "no limits",
    );
    for (const [name, { pauses, waiting }] of Object.entries(providers)) {
      if (waiting > 0) session.screen.remark(`${name}: ${waiting} calls wait for a permit`);
      for (const pause of pauses) {
        const what = pause.model ?? name;
        session.screen.remark(`${what} rests until ${pause.until} (${pause.kind}): ${pause.message}`);
      }
    }
  });
}

async function summary(session: Session, _args: string[], options: Options): Promise<undefined> {
  const by = oneOf("what", LEDGER_GROUPS, String(options.by));
  const query = { by, day: options.day as string | undefined };
  const answer = await session.api<Summary>("GET", "/api/v1/budget/summary", { query });
  session.show(answer, () => {
    session.screen.table<Summary["groups"][number]>(
      [
        { title: by.toUpperCase(), value: (each) => each.name, shrinks: true },
        { title: "CALLS", value: (each) => each.calls, right: true },
        { title: "RESERVED", value: (each) => dollars(each.reserved_usd), right: true },
        { title: "SETTLED", value: (each) => dollars(each.settled_usd), right: true },
        { title: "HELD", value: (each) => dollars(each.held_usd), right: true },
        { title: "RELEASED", value: (each) => dollars(each.released_usd), right: true },
        { title: "ASSUMED", value: (each) => dollars(each.assumed_usd), right: true },
      ],
      answer.groups,
      "no calls",
    );
    const { day, settled_usd: settled, held_usd: held, daily_usd: cap, agrees } = answer;
    session.screen.remark(`${day}: ${dollars(settled)} settled, ${dollars(held)} held, of ${dollars(cap)}`);
    if (!agrees)
      session.screen.remark("the running sums are NOT those of the entries: tell whoever runs this");
  });
}

async function ledger(session: Session, _args: string[], options: Options): Promise<undefined> {
  const now = session.terminal.now();
  const text = (name: string) => options[name] as string | undefined;
  const query = {
    day: text("day"),
    provider: text("provider"),
    state: text("state"),
    execution_id: text("execution"),
    task_id: text("task"),
    fallback: options.fallbacks ? "true" : undefined,
  };
  const entries = await fetchList<Entry>(session, "/api/v1/budget/ledger", "entries", query, options);
  const layout = [
    { title: "WHEN", value: (each: Entry) => ago(each.granted_at, now) },
    { title: "MODEL", value: (each: Entry) => each.model ?? each.provider, shrinks: true },
    { title: "STATE", value: (each: Entry) => each.outcome ?? each.state },
    { title: "RESERVED", value: (each: Entry) => dollars(each.reserved_usd), right: true },
    {
      title: "COST",
      value: (each: Entry) => (each.cost_usd === null ? null : dollars(each.cost_usd)),
      right: true,
    },
    { title: "IN", value: (each: Entry) => each.input_tokens, right: true },
    { title: "OUT", value: (each: Entry) => each.output_tokens, right: true },
    { title: "BY", value: (each: Entry) => each.execution_id ?? each.actor, shrinks: true },
    { title: "FALLBACK", value: (each: Entry) => each.fallback, shrinks: true },
  ];
  showList(session, entries, layout, "no calls");
}

function dollars(usd: number): string {
  return `$${usd.toFixed(6)}`;
}

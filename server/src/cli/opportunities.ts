/** Owns `orchestrator opportunities …`: the ranked list, and an operator's word on each. Finds none. */
import type { Opportunity } from "@master-orchestrator/contract";
import type { Command } from "commander";
import { path } from "./api.ts";
import { printFields, printValue } from "./details.ts";
import { oneOf } from "./failure.ts";
import { addGroup, addListing, fetchList, showList, withPaging } from "./list.ts";
import { type Options, type Session, type Shell, withAction } from "./session.ts";
import { ago, plain } from "./text.ts";

const LIST = "/api/v1/content/opportunities";
const STATUSES = ["open", "accepted", "dismissed", "expired", "any"] as const;

/** Registers the group. */
export function addOpportunities(program: Command, shell: Shell): void {
  const group = addGroup(program, "opportunities", "where revenue is to be had, by what is expected of it");
  withPaging(addListing(group, shell, "list opportunities, the largest first", list)).option(
    "--status <status>",
    STATUSES.join(", "),
    "open",
  );
  withAction(
    group.command("show").description("evidence and recommended action").argument("<opportunity-id>"),
    shell,
    async (session, [id]) => {
      const found = await session.api<Opportunity>("GET", path`/api/v1/content/opportunities/${id!}`);
      session.show(found, () => render(session, found));
      return undefined;
    },
  );
  for (const [verb, description] of [
    ["accept", "take it up: later runs leave it so"],
    ["dismiss", "it is none: later runs leave it alone for thirty days"],
  ] as const) {
    withAction(
      group
        .command(verb)
        .description(description)
        .argument("<opportunity-id>")
        .option("--note <text>", "why, for the record"),
      shell,
      async (session, [id], { note }) => {
        const url = `${path`/api/v1/content/opportunities/${id!}`}/${verb}`;
        const settled = await session.api<Opportunity>("POST", url, { body: { note } });
        session.show(settled, () => session.screen.line(`${settled.status}: ${plain(settled.title)}`));
        return undefined;
      },
    );
  }
}

async function list(session: Session, _args: string[], options: Options): Promise<undefined> {
  const query = { status: oneOf("opportunity status", STATUSES, options.status as string) };
  const found = await fetchList<Opportunity>(session, LIST, "opportunities", query, options);
  const layout = [
    { title: "OPPORTUNITY", value: (each: Opportunity) => each.opportunity_id },
    { title: "IN 30 DAYS", value: (each: Opportunity) => dollars(each.expected_usd), right: true },
    { title: "95 %", value: (each: Opportunity) => `${dollars(each.low_usd)} to ${dollars(each.high_usd)}` },
    { title: "KIND", value: (each: Opportunity) => each.kind },
    { title: "STATUS", value: (each: Opportunity) => each.status },
    { title: "WHAT", value: (each: Opportunity) => each.title, shrinks: true },
  ];
  showList(session, found, layout, "no opportunities");
}

function render({ screen, terminal }: Session, found: Opportunity): void {
  printFields(screen, {
    opportunity: plain(found.opportunity_id),
    what: plain(found.title),
    status: plain(found.status),
    "in 30 days": `${dollars(found.expected_usd)} (${dollars(found.low_usd)} to ${dollars(found.high_usd)})`,
    chance: `${Math.round(100 * found.chance)} % that there is anything to gain`,
    found: ago(found.found_at, terminal.now()),
    seen: ago(found.seen_at, terminal.now()),
    settled: found.settled_at && `${ago(found.settled_at, terminal.now())}, by ${plain(found.settled_by)}`,
    note: found.note && plain(found.note),
  });
  printValue(screen, "evidence", found.evidence);
  printValue(screen, "action", found.action);
}

function dollars(amount: number): string {
  return `$${amount.toLocaleString("en-US", { maximumFractionDigits: 0 })}`;
}

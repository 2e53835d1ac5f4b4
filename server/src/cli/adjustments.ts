/** Owns `orchestrator adjustments …`: what is recommended to cost less, and an operator's word on each. Proposes none. */
import type { Adjustment, AdjustmentDetail, Efficiency } from "@master-orchestrator/contract";
import type { Command } from "commander";
import { path } from "./api.ts";
import { printFields, printValue } from "./details.ts";
import { oneOf } from "./failure.ts";
import { addGroup, addListing, fetchList, showList, withPaging } from "./list.ts";
import { type Options, type Session, type Shell, withAction } from "./session.ts";
import { ago, plain } from "./text.ts";

const LIST = "/api/v1/adjustments";
const STATES = [
  ...["open", "any", "proposed", "approved", "measuring", "kept", "rolled_back", "rejected", "expired"],
  "superseded",
] as const;
const VERBS = [
  ["approve", "put it into force as a version of the policy; it is measured from the next full hour on"],
  ["reject", "it is not wanted"],
  ["roll-back", "restore the fields that it changed, unless somebody has changed them since"],
] as const;

/** Registers the group. */
export function addAdjustments(program: Command, shell: Shell): void {
  const group = addGroup(program, "adjustments", "what would make tasks cheaper, tried out on approval");
  withPaging(addListing(group, shell, "list adjustments, newest first", list))
    .option("--state <state>", STATES.join(", "), "open")
    .option("--lane <lane>", "only of this lane, e.g. content_pipeline/how_to");
  withAction(
    group.command("show").description("why, what is expected, what was measured").argument("<adjustment-id>"),
    shell,
    async (session, [id]) => {
      const found = await session.api<AdjustmentDetail>("GET", path`/api/v1/adjustments/${id!}`);
      session.show(found, () => render(session, found));
      return undefined;
    },
  );
  for (const [verb, description] of VERBS) {
    withAction(
      group
        .command(verb)
        .description(description)
        .argument("<adjustment-id>")
        .option("--note <text>", "why, for the record"),
      shell,
      async (session, [id], { note }) => {
        const url = `${path`/api/v1/adjustments/${id!}`}/${verb}`;
        const decided = await session.api<Adjustment>("POST", url, { body: { note } });
        session.show(decided, () => session.screen.line(`${decided.state}: ${plain(decided.reason)}`));
        return undefined;
      },
    );
  }
}

async function list(session: Session, _args: string[], options: Options): Promise<undefined> {
  const query = {
    state: oneOf("adjustment state", STATES, options.state as string),
    lane: options.lane as string | undefined,
  };
  const found = await fetchList<Adjustment>(session, LIST, "adjustments", query, options);
  const layout = [
    { title: "ADJUSTMENT", value: (each: Adjustment) => each.adjustment_id },
    { title: "STATE", value: (each: Adjustment) => each.state },
    { title: "SAVES", value: (each: Adjustment) => share(each.expected.saving_share), right: true },
    { title: "WHAT", value: (each: Adjustment) => each.title, shrinks: true },
  ];
  showList(session, found, layout, "no adjustments");
}

function render({ screen, terminal }: Session, found: AdjustmentDetail): void {
  const { expected } = found;
  printFields(screen, {
    adjustment: plain(found.adjustment_id),
    what: plain(found.title),
    state: `${found.state}: ${plain(found.reason)}`,
    why: plain(found.why),
    expected: `${share(expected.saving_share)} less for a task (${dollars(expected.cost_per_task_usd.current)} to ${dollars(expected.cost_per_task_usd.proposed)}), by the simulator over ${expected.tasks} tasks of ${expected.hours} h`,
    "wait p95": `${seconds(expected.wait_p95_seconds.current)} to ${seconds(expected.wait_p95_seconds.proposed)}`,
    baseline: measured(found.baseline),
    before: measured(found.before),
    after: found.after && measured(found.after),
    verdict: found.verdict,
    proposed: ago(found.proposed_at, terminal.now()),
    decided: found.decided_at && `${ago(found.decided_at, terminal.now())}, by ${plain(found.decided_by)}`,
    "policy version": found.policy_version,
    "rolled back in version": found.rolled_back_version,
    note: found.note && plain(found.note),
  });
  printValue(screen, "changes", found.changes);
  for (const { at, to, reason, actor } of found.steps) {
    screen.line(`${at}  ${to} by ${plain(actor)}: ${plain(reason)}`);
  }
}

function measured({ cost_per_task_usd, completed, dead_lettered, hours }: Efficiency): string {
  return `${dollars(cost_per_task_usd)} a task (${completed} completed, ${dead_lettered} dead letters, ${hours} h)`;
}

function dollars(amount: number | null): string {
  return amount === null ? "–" : `$${amount.toFixed(4)}`;
}

function seconds(value: number | null): string {
  return value === null ? "–" : `${value.toFixed(1)} s`;
}

function share(value: number): string {
  return `${(value * 100).toFixed(0)} %`;
}

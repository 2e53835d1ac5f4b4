/** Owns `orchestrator funnel`: what became of views, as a table. Counts nothing. */
import type { FunnelAnswer } from "@master-orchestrator/contract";
import type { Command } from "commander";
import { oneOf } from "./failure.ts";
import { fetchList, timeRange, withPaging } from "./list.ts";
import { type Options, type Session, type Shell, withAction } from "./session.ts";
import { plain } from "./text.ts";

const GROUPS = ["article", "channel", "offer", "content_type"] as const;
const ATTRIBUTIONS = ["page", "first_touch", "last_touch"] as const;

/** Registers the command. */
export function addFunnel(program: Command, shell: Shell): void {
  withAction(
    withPaging(
      program
        .command("funnel")
        .description("views, engagement, clicks, conversions and revenue, with intervals"),
    )
      .option("--by <group>", GROUPS.join(", "), "article")
      .option("--attribution <model>", ATTRIBUTIONS.join(", "), "page")
      .option("--goal <kind>", "only conversions of this kind")
      .option("--from <time>", "28 days before --to when left out")
      .option("--to <time>", "now when left out"),
    shell,
    showFunnel,
  );
}

type Group = FunnelAnswer["groups"][number];

async function showFunnel(session: Session, _args: string[], options: Options): Promise<undefined> {
  const query = {
    ...timeRange(options, session.terminal.now()),
    by: oneOf("group", GROUPS, options.by as string),
    attribution: oneOf("attribution", ATTRIBUTIONS, options.attribution as string),
    goal: options.goal as string | undefined,
  };
  const { answer, rows } = await fetchList<Group>(
    session,
    "/api/v1/content/funnel",
    "groups",
    query,
    options,
  );
  const funnel = answer as unknown as FunnelAnswer;
  session.show(answer, () => {
    const { screen } = session;
    screen.remark(`${funnel.from} to ${funnel.to}`);
    if (funnel.total.missing) screen.remark(plain(funnel.total.missing));
    const layout = [
      { title: funnel.by.toUpperCase(), value: (each: Group) => each.title ?? each.key, shrinks: true },
      { title: "VIEWS", value: (each: Group) => count(each.views), right: true },
      { title: "ENGAGED", value: (each: Group) => count(each.engaged), right: true },
      { title: "CLICKS", value: (each: Group) => count(each.clicks), right: true },
      { title: "CONVERSIONS", value: (each: Group) => count(each.conversions), right: true },
      { title: "RATE", value: rateOf },
      { title: "RPM", value: rpmOf },
      { title: "REVENUE", value: (each: Group) => dollars(each.revenue_usd), right: true },
      { title: "MISSING", value: (each: Group) => each.missing, shrinks: true },
    ];
    const total = { key: "in all", title: null, ...funnel.total };
    screen.table(layout, rows.length === 0 ? [] : [...rows, total], "no events in this time");
    if (answer.next_cursor)
      screen.remark(`there is more: --cursor ${answer.next_cursor}, or a larger --limit`);
  });
}

/** Conversions per view with their interval. */
function rateOf({ stages }: Group): string | null {
  const whole = stages.findLast(({ from, to }) => from === "views" && to === "conversions");
  if (!whole || whole.rate === null) return null;
  return `${percent(whole.rate)} (${percent(whole.low!)} to ${percent(whole.high!)})`;
}

function rpmOf({ rpm_usd, rpm_low_usd, rpm_high_usd }: Group): string | null {
  if (rpm_usd === null || rpm_low_usd === null || rpm_high_usd === null) return null;
  return `${dollars(rpm_usd)} (${dollars(rpm_low_usd)} to ${dollars(rpm_high_usd)})`;
}

const count = (of: number) => of.toLocaleString("en-US");
const percent = (of: number) => `${(100 * of).toFixed(2)} %`;
const dollars = (of: number) => `$${of.toLocaleString("en-US", { maximumFractionDigits: 2 })}`;

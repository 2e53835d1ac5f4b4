/** Owns `orchestrator migration …`: workflows on their way out of n8n, shown, moved on and back. Decides nothing and asks n8n nothing. */
import type { Migration, N8nInventory, N8nReachable } from "@master-orchestrator/contract";
import type { Command } from "commander";
import type { z } from "zod";
import { path } from "./api.ts";
import { printFields } from "./details.ts";
import { UsageError } from "./failure.ts";
import { addGroup, addListing, fetchList, showList, withPaging } from "./list.ts";
import { addMigrationRecords } from "./migration-records.ts";
import { gatesText, measureText, nextText, stepText } from "./migration-text.ts";
import { type Options, type Session, type Shell, wholeNumber, withAction } from "./session.ts";
import { ago, plain } from "./text.ts";

const LIST = "/api/v1/migrations";

/** Registers the group. */
export function addMigration(program: Command, shell: Shell): void {
  const group = addGroup(
    program,
    "migration",
    "workflows on their way out of n8n's clocks: phases, gates, rollback",
  );
  withPaging(addListing(group, shell, "list migrations", list));
  withAction(
    group
      .command("show")
      .description("where a workflow stands, and what its gates say")
      .argument("<workflow-type>"),
    shell,
    async (session, [type]) => {
      const migration = await session.api<Migration>("GET", path`/api/v1/migrations/${type!}`);
      session.show(migration, () => render(session, migration));
      return undefined;
    },
  );
  withAction(
    group.command("inventory").description("what there is in n8n, and which phases each workflow can take"),
    shell,
    inventory,
  );
  addStart(group, shell);
  addSteps(group, shell);
  addMigrationRecords(group, shell);
}

function addStart(group: Command, shell: Shell): void {
  withAction(
    group
      .command("start")
      .description("record a workflow's baseline: the first step, which changes nothing in n8n")
      .argument("<n8n-workflow-id>")
      .option("--workflow-type <type>", "its name here; made of its name in n8n when left out")
      .option("--lock <name>", "workflows with the same lock exclude each other in phase 1")
      .option("--wait <seconds>", "how long a run stands in line for the lock")
      .option("--cost-per-run <usd>", "what a run costs today: n8n does not know it")
      .option("--auto-advance", "take the next step as soon as its gates open"),
    shell,
    async (session, [id], options) => {
      const body = {
        n8n_workflow_id: id,
        workflow_type: options.workflowType,
        lock: options.lock,
        wait_seconds:
          options.wait === undefined ? undefined : wholeNumber("--wait", String(options.wait), 0, 300),
        cost_usd_per_run:
          options.costPerRun === undefined ? undefined : dollars("--cost-per-run", options.costPerRun),
        auto_advance: options.autoAdvance === true ? true : undefined,
      };
      return change(session, "POST", LIST, body);
    },
  );
  withAction(
    group
      .command("finish")
      .description(
        "end a migration that stands in phase 4 in full: there is no way back; give it a schedule then",
      )
      .argument("<workflow-type>"),
    shell,
    async (session, [type]) => {
      const answer = await session.api("DELETE", path`/api/v1/migrations/${type!}?finish=true`);
      session.show(answer, () =>
        session.screen.line(
          `${plain(type!)} has left n8n's clock; from now on its own \`schedule\` starts it`,
        ),
      );
      return undefined;
    },
  );
  withAction(
    group
      .command("remove")
      .description("forget a migration that is in phase 0 or rolled back")
      .argument("<workflow-type>"),
    shell,
    async (session, [type]) => {
      const answer = await session.api("DELETE", path`/api/v1/migrations/${type!}`);
      session.show(answer, () => session.screen.line(`${plain(type!)} is forgotten`));
      return undefined;
    },
  );
}

function addSteps(group: Command, shell: Shell): void {
  const command = (name: string, description: string) =>
    group.command(name).description(description).argument("<workflow-type>");
  withAction(
    command("advance", "take the next step, if its gates let it")
      .option("--phase <phase>", "another phase than the next one, 1 to 4")
      .option("--mode <mode>", "shadow, share or full; with --phase (default: shadow)")
      .option("--share <percent>", "with --mode share: of runs")
      .option("--force", "also while gates are waiting for runs; never over a breach"),
    shell,
    async (session, [type], options) =>
      change(session, "POST", path`/api/v1/migrations/${type!}/advance`, advanceBody(options)),
  );
  withAction(
    command("share", "how many of the runs go by the phase").argument("<percent>"),
    shell,
    async (session, [type, percent]) =>
      change(session, "POST", path`/api/v1/migrations/${type!}/share`, {
        share_percent: wholeNumber("the percentage", percent!, 1, 99),
      }),
  );
  withAction(
    command("rollback", "put the original back into n8n, byte for byte; as soon as n8n answers")
      .option("--reason <text>", "why, for the record")
      .option("--force", "drop what was edited in n8n meanwhile"),
    shell,
    async (session, [type], { reason, force }) =>
      change(session, "POST", path`/api/v1/migrations/${type!}/rollback`, { reason, force }),
  );
  withAction(
    command("resolve", "after an edit in n8n: keep it (merge), or drop it (ours)").argument("<merge|ours>"),
    shell,
    async (session, [type, take]) => {
      if (take !== "merge" && take !== "ours")
        throw new UsageError(`"${take}" is no way to resolve`, "write merge or ours");
      return change(session, "POST", path`/api/v1/migrations/${type!}/resolve`, { take });
    },
  );
  withAction(
    command("set", "change how a migration goes on")
      .option("--auto-advance <on|off>", "take the next step as soon as its gates open")
      .option("--cost-per-run <usd>", "what a run cost before; none: nobody knows"),
    shell,
    async (session, [type], options) =>
      change(session, "PATCH", path`/api/v1/migrations/${type!}`, settingsBody(options)),
  );
}

function advanceBody({ phase, mode, share, force }: Options): Record<string, unknown> {
  if (phase === undefined) {
    if (mode !== undefined || share !== undefined)
      throw new UsageError("--mode and --share belong to --phase", "without --phase the next step is taken");
    return { force };
  }
  const to = {
    phase: wholeNumber("--phase", String(phase), 1, 4),
    mode,
    share_percent: share === undefined ? undefined : wholeNumber("--share", String(share), 1, 99),
  };
  return { to, force };
}

function settingsBody({ autoAdvance, costPerRun }: Options): Record<string, unknown> {
  if (autoAdvance === undefined && costPerRun === undefined)
    throw new UsageError("nothing to set", "give --auto-advance or --cost-per-run");
  if (autoAdvance !== undefined && autoAdvance !== "on" && autoAdvance !== "off")
    throw new UsageError(`--auto-advance is "${String(autoAdvance)}"`, "write on or off");
  return {
    auto_advance: autoAdvance === undefined ? undefined : autoAdvance === "on",
    cost_usd_per_run:
      costPerRun === undefined
        ? undefined
        : costPerRun === "none"
          ? null
          : dollars("--cost-per-run", costPerRun),
  };
}

function dollars(name: string, value: unknown): number {
  const amount = Number(value);
  if (String(value).trim() !== "" && amount >= 0 && amount <= 1_000_000) return amount;
  throw new UsageError(`${name} is "${String(value)}"`, "it has to be an amount of dollars such as 0.08");
}

/** An action answers before n8n has it: what is awaited is said. */
async function change(
  session: Session,
  method: string,
  address: string,
  body: Record<string, unknown>,
): Promise<undefined> {
  const migration = await session.api<Migration>(method, address, { body });
  session.show(migration, () => {
    const { workflow_type, state, cause } = migration;
    const why = cause === null ? "" : `: ${plain(cause)}`;
    session.screen.line(
      `${plain(workflow_type)}: ${stepText(migration)}, ${state.replaceAll("_", " ")}${why}`,
    );
  });
  return undefined;
}

async function list(session: Session, _args: string[], options: Options): Promise<undefined> {
  const now = session.terminal.now();
  const found = await fetchList<Migration>(session, LIST, "migrations", {}, options);
  const layout = [
    { title: "WORKFLOW", value: (each: Migration) => each.workflow_type },
    { title: "STEP", value: (each: Migration) => stepText(each) },
    { title: "STATE", value: (each: Migration) => each.state },
    { title: "SINCE", value: (each: Migration) => ago(each.since, now) },
    { title: "LOST", value: (each: Migration) => each.runs.lost, right: true },
    { title: "DOUBLED", value: (each: Migration) => each.runs.doubled, right: true },
    { title: "GATES", value: (each: Migration) => gatesText(each.gates) },
    { title: "NEXT", value: (each: Migration) => nextText(each), shrinks: true },
  ];
  showList(session, found, layout, "no migrations: `migration inventory` shows what there is in n8n");
  const { n8n } = found.answer as unknown as { n8n?: z.infer<typeof N8nReachable> };
  if (n8n) remarkReachable(session, n8n);
  return undefined;
}

function remarkReachable(
  session: Session,
  { configured, reachable, error }: z.infer<typeof N8nReachable>,
): void {
  if (!configured)
    session.screen.remark("n8n is not configured: set N8N_URL and N8N_API_KEY at the orchestrator");
  else if (reachable === false) session.screen.remark(`n8n does not answer: ${plain(error ?? "unknown")}`);
}

function render(session: Session, migration: Migration): void {
  const { screen, terminal } = session;
  const now = terminal.now();
  const { runs, original, deployed } = migration;
  printFields(screen, {
    workflow: plain(migration.workflow_type),
    "in n8n": `${plain(migration.name)} (${plain(migration.n8n_workflow_id)})`,
    page: plain(migration.n8n_url),
    step: `${stepText(migration)}, since ${ago(migration.since, now)}`,
    state: migration.state,
    cause: migration.cause && plain(migration.cause),
    "n8n is asked": migration.retry_at && ago(migration.retry_at, now),
    edited: migration.edits.map(plain).join("; "),
    next: plain(nextText(migration)),
    "by itself": migration.auto_advance ? "takes the next step as soon as it opens" : null,
    schedule: `${migration.schedules.map(plain).join("; ")} (${plain(migration.time_zone)})`,
    lock: plain(migration.lock),
    runs: `${runs.due} due, ${runs.by_n8n} by n8n, ${runs.by_orchestrator} by the orchestrator, ${runs.open} open`,
    ended: `${runs.succeeded} succeeded, ${runs.failed} failed, ${runs.lost} lost, ${runs.doubled} doubled`,
    "runs in n8n": `${deployed.form}${deployed.by_share ? " by share" : ""}, since ${ago(deployed.at, now)}`,
    original: `version ${original.version}, ${original.bytes} bytes, sha256 ${original.sha256.slice(0, 16)}…`,
  });
  screen.line();
  const layout = [
    { title: "GATE", value: (gate: Migration["gates"][number]) => gate.gate },
    {
      title: "BEFORE",
      value: (gate: Migration["gates"][number]) => measureText(gate.baseline, gate.unit),
      right: true,
    },
    {
      title: "NOW",
      value: (gate: Migration["gates"][number]) => measureText(gate.now, gate.unit),
      right: true,
    },
    {
      title: "LIMIT",
      value: (gate: Migration["gates"][number]) => measureText(gate.limit, gate.unit),
      right: true,
    },
    {
      title: "RUNS",
      value: (gate: Migration["gates"][number]) => `${gate.runs}/${gate.runs_needed}`,
      right: true,
    },
    { title: "VERDICT", value: (gate: Migration["gates"][number]) => gate.verdict },
    { title: "WHY", value: (gate: Migration["gates"][number]) => gate.cause, shrinks: true },
  ];
  screen.table(layout, migration.gates, "no gates yet: no phase has begun");
  for (const note of migration.notes) screen.remark(plain(note));
}

async function inventory(session: Session): Promise<undefined> {
  type Inventory = z.infer<typeof N8nInventory>;
  type Row = Inventory["workflows"][number];
  const found = await session.api<Inventory>("GET", `${LIST}/inventory`);
  const obstacles = ({ obstacles }: Row) =>
    Object.entries(obstacles)
      .flatMap(([phase, why]) => (why === null ? [] : [`${phase}: ${why}`]))
      .join("; ") || "none";
  const layout = [
    { title: "N8N ID", value: (each: Row) => each.n8n_workflow_id },
    { title: "NAME", value: (each: Row) => each.name, shrinks: true },
    { title: "ACTIVE", value: (each: Row) => (each.active ? "yes" : "no") },
    { title: "SCHEDULE", value: (each: Row) => each.schedules.join("; "), shrinks: true },
    { title: "AI", value: (each: Row) => each.ai_nodes, right: true },
    { title: "DB", value: (each: Row) => each.database_nodes, right: true },
    { title: "MIGRATION", value: (each: Row) => each.migration ?? `as ${each.workflow_type}` },
    { title: "OBSTACLES", value: obstacles, shrinks: true },
  ];
  session.show(found, () => session.screen.table(layout, found.workflows, "no workflows in n8n"));
  return undefined;
}

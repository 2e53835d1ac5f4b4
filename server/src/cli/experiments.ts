/** Owns `orchestrator experiments …`: starting, showing, ending, rolling out. Estimates nothing. */
import type { AssignAnswer, Experiment, ExperimentNow, Strategy } from "@master-orchestrator/contract";
import type { Command } from "commander";
import type { z } from "zod";
import { path } from "./api.ts";
import { printFields } from "./details.ts";
import { recordFile } from "./experiment-record.ts";
import { oneOf } from "./failure.ts";
import { readJsonFile } from "./json-file.ts";
import { addGroup, addListing, fetchList, showList, withPaging } from "./list.ts";
import { type Options, type Session, type Shell, withAction } from "./session.ts";
import { ago, counted, plain } from "./text.ts";

const LIST = "/api/v1/content/experiments";
const STATUSES = ["running", "decided", "stopped"] as const;

/** Registers the group. */
export function addExperiments(program: Command, shell: Shell): void {
  const group = addGroup(program, "experiments", "experiments on articles: start, show, end, roll out");
  withPaging(addListing(group, shell, "list experiments, newest first", list)).option(
    "--status <status>",
    STATUSES.join(", "),
  );
  withAction(
    group.command("show").description("one with its numbers at this moment").argument("<key>"),
    shell,
    async (session, [key]) => {
      const experiment = await session.api<ExperimentNow>("GET", path`/api/v1/content/experiments/${key!}`);
      session.show(experiment, () => render(session, experiment));
      return undefined;
    },
  );
  withAction(
    group.command("start").description("start the experiment that a JSON file describes").argument("<file>"),
    shell,
    async (session, [file]) => {
      const body = await readJsonFile(file!, session.terminal);
      const started = await session.api<Experiment>("POST", LIST, { body });
      session.show(started, () => session.screen.line(`${plain(started.key)} is running`));
      return undefined;
    },
  );
  withAction(
    group.command("assign").description("which variant a unit gets").argument("<key>").argument("<unit>"),
    shell,
    async (session, [key, unit]) => {
      const query = { unit };
      const answer = await session.api<z.infer<typeof AssignAnswer>>(
        "GET",
        path`/api/v1/content/experiments/${key!}/assign`,
        { query },
      );
      session.show(answer, () => session.screen.line(plain(answer.assignments[0]?.variant)));
      return undefined;
    },
  );
  withAction(
    group
      .command("record")
      .description("record exposures and outcomes of a file (CSV, JSON or NDJSON; - is standard input)")
      .argument("<key>")
      .argument("<file>")
      .option("--format <format>", "csv, json or ndjson (default: by the file's ending or its first bytes)"),
    shell,
    recordFile,
  );
  addEndings(group, shell);
}

function addEndings(group: Command, shell: Shell): void {
  withAction(
    group
      .command("stop")
      .description("end one by hand, without a winner")
      .argument("<key>")
      .requiredOption("--reason <text>", "why, for the record"),
    shell,
    async (session, [key], { reason }) => {
      const url = path`/api/v1/content/experiments/${key!}/stop`;
      const stopped = await session.api<Experiment>("POST", url, { body: { reason } });
      session.show(stopped, () => session.screen.line(`${plain(stopped.key)}: ${stopped.status}`));
      return undefined;
    },
  );
  withAction(
    group
      .command("roll-out")
      .description("put the winner, or the variant you name, in force")
      .argument("<key>")
      .option("--variant <key>", "default: the winner")
      .option("--reason <text>", "why, for the record"),
    shell,
    async (session, [key], { variant, reason }) => {
      const url = path`/api/v1/content/experiments/${key!}/roll-out`;
      const strategy = await session.api<Strategy>("POST", url, { body: { variant, reason } });
      session.show(strategy, () => session.screen.line(`in force as strategy ${strategy.version}`));
      return undefined;
    },
  );
}

async function list(session: Session, _args: string[], options: Options): Promise<undefined> {
  const now = session.terminal.now();
  const status = options.status as string | undefined;
  const query = { status: status === undefined ? undefined : oneOf("experiment status", STATUSES, status) };
  const experiments = await fetchList<Experiment>(session, LIST, "experiments", query, options);
  const layout = [
    { title: "KEY", value: (each: Experiment) => each.key },
    { title: "STATUS", value: (each: Experiment) => each.status },
    { title: "OUTCOME", value: (each: Experiment) => each.decision?.outcome },
    { title: "VARIANT", value: (each: Experiment) => each.decision?.variant },
    { title: "STARTED", value: (each: Experiment) => ago(each.started_at, now) },
    { title: "SURFACE", value: (each: Experiment) => each.surface },
    { title: "HYPOTHESIS", value: (each: Experiment) => each.hypothesis, shrinks: true },
  ];
  showList(session, experiments, layout, "no experiments");
}

type Variant = ExperimentNow["now"]["variants"][number];

function render(session: Session, experiment: ExperimentNow): void {
  const { screen, terminal } = session;
  const { now, decision } = experiment;
  const ratio = now.sample_ratio;
  printFields(screen, {
    experiment: plain(experiment.key),
    hypothesis: plain(experiment.hypothesis),
    status: plain(experiment.status),
    started: ago(experiment.started_at, terminal.now()),
    ended:
      experiment.ended_at && `${ago(experiment.ended_at, terminal.now())}, by ${plain(experiment.ended_by)}`,
    outcome: decision && plain(decision.outcome),
    because: plain(decision?.reason ?? experiment.waiting_for ?? ""),
    units: `${counted(now.units, "unit")}${now.crossed_units > 0 ? `, ${now.crossed_units} left out: they saw several variants` : ""}`,
    "sample ratio": ratio && `${ratio.ok ? "fits" : "does not fit"} the weights (p ${figure(ratio.p)})`,
  });
  screen.line();
  const value = experiment.metric === "conversion" ? share : dollars;
  const layout = [
    { title: "VARIANT", value: (each: Variant) => each.key },
    { title: "UNITS", value: (each: Variant) => each.units, right: true },
    { title: "MEAN", value: (each: Variant) => value(each.mean), right: true },
    { title: "BEST", value: (each: Variant) => share(each.chance_best), right: true },
    { title: "LOSS", value: (each: Variant) => value(each.expected_loss), right: true },
    { title: "EFFECT", value: (each: Variant) => value(each.effect?.absolute ?? null), right: true },
    {
      title: "ALWAYS VALID",
      value: ({ effect }: Variant) => (effect ? `${value(effect.low)} to ${value(effect.high)}` : null),
    },
    { title: "MISSING", value: (each: Variant) => each.missing, shrinks: true },
  ];
  screen.table(layout, now.variants, "no variants");
}

const figure = (amount: number) => Number(amount.toPrecision(3)).toString();
const share = (of: number | null) => (of === null ? null : `${figure(100 * of)} %`);
const dollars = (of: number | null) => (of === null ? null : `$${figure(of)}`);

/** Experiments over HTTP: start, show, stop, roll out; who gets what; what was shown and done. Estimates nothing itself. */
import {
  AssignAnswer,
  AssignBody,
  AssignQuery,
  Experiment,
  ExperimentBody,
  ExperimentKey,
  ExperimentList,
  ExperimentListQuery,
  ExperimentNow,
  ExposuresBody,
  OutcomesBody,
  Problem,
  RecordedAnswer,
  RollOutAnswer,
  RollOutBody,
  StopBody,
} from "@master-orchestrator/contract";
import { z } from "zod";
import type { Database } from "#store/database.ts";
import { experimentLooks } from "#store/experiment-looks.ts";
import {
  type Arms,
  armsOf,
  type ExperimentRow,
  experimentByKey,
  listExperiments,
  recordExposures,
  recordOutcomes,
  startExperiment,
  stopExperiment,
  type Variant,
} from "#store/experiments.ts";
import { nowMs } from "#store/revenue.ts";
import { rollOut } from "#store/strategies.ts";
import { pagesOf } from "../cursor.ts";
import { time } from "../present.ts";
import { actorOf, defineRoute, type Route } from "../route.ts";
import { shownStrategy } from "./strategies.ts";

export interface ExperimentDesk {
  assign(experiment: ExperimentRow, unit: string): Variant;
  judge(
    experiment: ExperimentRow,
    arms: Arms,
    nowMs: number,
  ): Promise<{ result: ExperimentNow["now"]; waiting_for: string }>;
}

interface Parts {
  db: Database;
  desk: ExperimentDesk;
}

const about = { tag: "Revenue" } as const;
const MAX_LOOKS = 200;
const LIST = "/api/v1/content/experiments";
const ONE = `${LIST}/:key`;
const ExperimentPath = z.strictObject({ key: ExperimentKey });

export function experimentRoutes(parts: Parts): Route[] {
  return [...lifecycle(parts), ...reads(parts), ...assignments(parts), ...records(parts)];
}

function lifecycle({ db }: Parts): Route[] {
  return [
    defineRoute({
      ...about,
      method: "POST",
      path: LIST,
      summary: "Start an experiment; nothing of it changes afterwards",
      access: "operator",
      body: ExperimentBody,
      answers: { 201: Experiment },
      async handle({ body, caller }) {
        return { status: 201, body: shown(await startExperiment(db, asStored(body), actorOf(caller))) };
      },
    }),
    defineRoute({
      ...about,
      method: "POST",
      path: `${ONE}/stop`,
      summary: "End an experiment by hand, without a winner",
      access: "operator",
      params: ExperimentPath,
      body: StopBody,
      answers: { 200: Experiment },
      async handle({ params, body, caller }) {
        const { experimentId } = await existing(db, params.key);
        await stopExperiment(db, experimentId, { by: actorOf(caller), reason: body.reason });
        return { status: 200, body: shown(await existing(db, params.key)) };
      },
    }),
    defineRoute({
      ...about,
      method: "POST",
      path: `${ONE}/roll-out`,
      summary: "Put the winner, or a variant of your choice, in force for the experiment's articles",
      access: "operator",
      params: ExperimentPath,
      body: RollOutBody,
      answers: { 200: RollOutAnswer },
      async handle({ params, body, caller }) {
        const experiment = await existing(db, params.key);
        const variant = chosen(experiment, body.variant);
        const reason = body.reason ?? experiment.decision?.reason ?? "rolled out by hand";
        const row = await db.transaction((tx) =>
          rollOut(tx, experiment, variant, { reason, by: actorOf(caller) }),
        );
        return { status: 200, body: shownStrategy(row, row) };
      },
    }),
  ];
}

/** The variant to put in force. Throws while the experiment runs, and without a winner or a choice. */
function chosen({ key, status, decision, variants }: ExperimentRow, asked: string | undefined): Variant {
  if (status === "running") {
    throw new Problem(
      "conflict",
      `the experiment "${key}" is running`,
      "Wait for its end, or stop it first.",
    );
  }
  const wanted = asked ?? (decision?.outcome === "win" ? decision.variant : null);
  const variant = variants.find((each) => each.key === wanted);
  if (variant) return variant;
  const known = variants.map((each) => each.key).join(", ");
  if (asked === undefined)
    throw new Problem("conflict", `"${key}" has no winner`, `Name a variant: ${known}.`);
  throw new Problem(
    "validation_failed",
    `/variant: "${key}" has no variant "${asked}"`,
    `It has: ${known}.`,
    {
      errors: [{ path: "/variant", message: `is none of ${known}` }],
    },
  );
}

function reads({ db, desk }: Parts): Route[] {
  return [
    defineRoute({
      ...about,
      method: "GET",
      path: LIST,
      summary: "Experiments, newest first",
      access: ["viewer", "worker"],
      query: ExperimentListQuery,
      answers: { 200: ExperimentList },
      async handle({ query }) {
        const pages = pagesOf("experiments", query);
        const { status, limit } = query;
        const rows = await listExperiments(db, { status, before: pages.after(), limit });
        const next_cursor = pages.next(rows, (row) => row.experimentId);
        return { status: 200, body: { experiments: rows.map(shown), next_cursor } };
      },
    }),
    defineRoute({
      ...about,
      method: "GET",
      path: ONE,
      summary: "One experiment with its numbers at this moment",
      access: "viewer",
      params: ExperimentPath,
      answers: { 200: ExperimentNow },
      async handle({ params }) {
        const experiment = await existing(db, params.key);
        const atMs = experiment.endedAtMs ?? (await nowMs(db));
        const arms = await db.transaction((tx) => armsOf(tx, experiment));
        const { result, waiting_for } = await desk.judge(experiment, arms, atMs);
        const running = experiment.status === "running";
        const looks = (await experimentLooks(db, experiment.experimentId, MAX_LOOKS)).map(
          ({ atMs: lookMs, variants }) => ({ at: new Date(lookMs).toISOString(), variants }),
        );
        return {
          status: 200,
          body: { ...shown(experiment), now: result, waiting_for: running ? waiting_for : null, looks },
        };
      },
    }),
  ];
}

function assignments({ db, desk }: Parts): Route[] {
  const assigned = (experiment: ExperimentRow, units: readonly string[]) =>
    units.map((unit) => {
      const { key: variant, change } = variantOf(experiment, unit, desk);
      return { unit, variant, change, in_experiment: experiment.status === "running" };
    });
  return [
    defineRoute({
      ...about,
      method: "GET",
      path: `${ONE}/assign`,
      summary: "The variant of one unit: the same each time",
      access: ["worker", "viewer"],
      params: ExperimentPath,
      query: AssignQuery,
      answers: { 200: AssignAnswer },
      async handle({ params, query }) {
        const experiment = await existing(db, params.key);
        return { status: 200, body: { assignments: assigned(experiment, [query.unit]) } };
      },
    }),
    defineRoute({
      ...about,
      method: "POST",
      path: `${ONE}/assign`,
      summary: "The variants of up to 1,000 units; with expose it is noted that they are shown them",
      access: "worker",
      params: ExperimentPath,
      body: AssignBody,
      answers: { 200: AssignAnswer },
      async handle({ params, body }) {
        const experiment = await existing(db, params.key);
        const given = assigned(experiment, body.units);
        if (body.expose && experiment.status === "running") {
          const exposures = given.map(({ unit, variant }) => ({ unit, variant, at: null }));
          await db.transaction((tx) => recordExposures(tx, experiment.experimentId, exposures));
        }
        return { status: 200, body: { assignments: given } };
      },
    }),
  ];
}

/** Once an experiment has ended everybody gets the winner, or else the control. */
function variantOf(experiment: ExperimentRow, unit: string, desk: ExperimentDesk): Variant {
  const { status, decision, variants } = experiment;
  if (status === "running") return desk.assign(experiment, unit);
  const winner = decision?.outcome === "win" ? decision.variant : null;
  return variants.find(({ key }) => key === winner) ?? (variants[0] as Variant);
}

function records({ db, desk }: Parts): Route[] {
  return [
    defineRoute({
      ...about,
      method: "POST",
      path: `${ONE}/exposures`,
      summary: "Note which variants up to 1,000 units were shown; the first of each counts",
      access: "worker",
      params: ExperimentPath,
      body: ExposuresBody,
      answers: { 200: RecordedAnswer },
      async handle({ params, body }) {
        const experiment = await running(db, params.key);
        const known = new Set(experiment.variants.map(({ key }) => key));
        const exposures = body.exposures.map(({ unit, variant, at }, i) => {
          if (variant === undefined)
            return { unit, variant: desk.assign(experiment, unit).key, at: at ?? null };
          if (known.has(variant)) return { unit, variant, at: at ?? null };
          const message = `"${variant}" is none of ${[...known].join(", ")}`;
          const path = `/exposures/${i}/variant`;
          const hint = "Leave it out: then it is the unit's own.";
          throw new Problem("validation_failed", `${path}: ${message}`, hint, {
            errors: [{ path, message }],
          });
        });
        const { added } = await db.transaction((tx) =>
          recordExposures(tx, experiment.experimentId, exposures),
        );
        return { status: 200, body: { received: exposures.length, added } };
      },
    }),
    defineRoute({
      ...about,
      method: "POST",
      path: `${ONE}/outcomes`,
      summary: "Note what up to 1,000 units did",
      access: "worker",
      params: ExperimentPath,
      body: OutcomesBody,
      answers: { 200: RecordedAnswer },
      async handle({ params, body }) {
        const experiment = await running(db, params.key);
        if (experiment.outcomes === "events") {
          const hint = "Import them: POST /api/v1/content/conversions and /revenue, with the visitor.";
          throw new Problem("conflict", `outcomes of "${params.key}" come from imported events`, hint);
        }
        const outcomes = body.outcomes.map(({ id = null, unit, goal, amount_usd, at = null }) => ({
          ...{ id, unit, goal, at, amountMicros: Math.round(amount_usd * 1e6) },
        }));
        const { added } = await db.transaction((tx) => recordOutcomes(tx, experiment.experimentId, outcomes));
        return { status: 200, body: { received: outcomes.length, added } };
      },
    }),
  ];
}

async function existing(db: Database, key: string): Promise<ExperimentRow> {
  const found = await experimentByKey(db, key);
  if (found) return found;
  throw new Problem("not_found", `there is no experiment "${key}"`, `GET ${LIST} lists them.`);
}

async function running(db: Database, key: string): Promise<ExperimentRow> {
  const found = await existing(db, key);
  if (found.status === "running") return found;
  throw new Problem(
    "conflict",
    `the experiment "${key}" has ended`,
    "What comes now would change what was decided.",
  );
}

function asStored(body: ExperimentBody) {
  const { stop, goal, ...experiment } = body;
  return {
    ...experiment,
    goal: goal ?? null,
    rules: {
      minSample: stop.min_sample,
      maxDays: stop.max_days,
      alpha: stop.alpha,
      minEffect: stop.min_effect,
      winChance: stop.win_chance,
      maxLoss: stop.max_expected_loss,
      autoRollOut: stop.auto_roll_out,
    },
  };
}

function shown(row: ExperimentRow): z.input<typeof Experiment> {
  return {
    experiment_id: row.experimentId,
    ...{ key: row.key, hypothesis: row.hypothesis, surface: row.surface, scope: row.scope, unit: row.unit },
    ...{ variants: row.variants, metric: row.metric, goal: row.goal, guardrails: row.guardrails },
    outcomes: row.outcomes,
    stop: {
      min_sample: row.minSample,
      max_days: row.maxDays,
      alpha: row.alpha,
      min_effect: row.minEffect,
      win_chance: row.winChance,
      max_expected_loss: row.maxLoss,
      auto_roll_out: row.autoRollOut,
    },
    salt: row.salt,
    status: row.status,
    started_at: time(row.startedAtMs),
    started_by: row.startedBy,
    ended_at: time(row.endedAtMs),
    ended_by: row.endedBy,
    decision: row.decision,
    result: row.result as Experiment["result"],
    result_at: time(row.resultAtMs),
  };
}

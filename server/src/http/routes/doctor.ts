/** The doctor: checks the installation and, when asked, every invariant. Mends nothing. */
import { statfs } from "node:fs/promises";
import { Diagnosis, DoctorQuery } from "@master-orchestrator/contract";
import type { Config } from "#config.ts";
import type { Database } from "#store/database.ts";
import { hasTrigrams } from "#store/entities.ts";
import { checkInvariants } from "#store/invariants.ts";
import { readVitals, type Vitals } from "#store/vitals.ts";
import { defineRoute, type Route } from "../route.ts";

const OLDEST_SERVER = 150_000;
const MAX_SKEW_MS = 2_000;
const MAX_FACT_AGE_MS = 30_000;
const MIN_FREE_BYTES = 1024 ** 3;

const WITHOUT_TRIGRAMS =
  "compared by first letters: the extension pg_trgm is not there (create extension pg_trgm)";

interface Check {
  name: string;
  ok: boolean;
  detail: string;
  hint: string | null;
}

export interface DoctorRoutesContext {
  db: Database;
  config: Config;
}

export function doctorRoutes(context: DoctorRoutesContext): Route[] {
  return [
    defineRoute({
      method: "GET",
      path: "/api/v1/doctor",
      summary: "Check the installation, and with ?invariants=true every invariant",
      tag: "Health",
      access: "operator",
      query: DoctorQuery,
      answers: { 200: Diagnosis },
      async handle({ query }) {
        const checks = await runChecks(context);
        const verdicts = query.invariants === "true" ? await checkInvariants(context.db) : null;
        const healthy =
          checks.every((check) => check.ok) && (verdicts ?? []).every((v) => v.rows.length === 0);
        const invariants =
          verdicts?.map(({ number, sentence, rows }) => ({ number, sentence, violations: rows })) ?? null;
        return { status: 200, body: { healthy, checks, invariants } };
      },
    }),
  ];
}

async function runChecks({ db, config }: DoctorRoutesContext): Promise<Check[]> {
  const startedMs = Date.now();
  const vitals = await readVitals(db);
  const middleMs = (startedMs + Date.now()) / 2;
  return [
    ...databaseChecks(vitals, middleMs),
    ...loopChecks(vitals, config.tickIntervalMs),
    ...recoveryChecks(vitals),
    await diskCheck(config.dataDir),
    ...providerChecks(config),
    check("names", true, (await hasTrigrams(db)) ? "compared by trigrams" : WITHOUT_TRIGRAMS, ""),
  ];
}

function check(name: string, ok: boolean, detail: string, hint: string): Check {
  return { name, ok, detail, hint: ok ? null : hint };
}

function databaseChecks(vitals: Vitals, processNowMs: number): Check[] {
  const major = Math.floor(vitals.serverVersion / 10_000);
  const skewMs = Math.round(vitals.nowMs - processNowMs);
  const used = `${vitals.connections} of ${vitals.maxConnections} connections`;
  return [
    check(
      "database",
      vitals.serverVersion >= OLDEST_SERVER,
      `PostgreSQL ${major}`,
      "Use PostgreSQL 15 or later.",
    ),
    check(
      "schema",
      vitals.migrations > 0,
      `${vitals.migrations} migrations have run`,
      "Start the service once.",
    ),
    check(
      "connections",
      vitals.connections < 0.9 * vitals.maxConnections,
      used,
      "Close other clients, or raise max_connections.",
    ),
    check(
      "clock",
      Math.abs(skewMs) <= MAX_SKEW_MS,
      `the database's clock differs by ${skewMs} ms`,
      "Synchronise both machines' clocks (NTP): the database's counts.",
    ),
  ];
}

function loopChecks(vitals: Vitals, tickIntervalMs: number): Check[] {
  const { tickAgeMs, oldestFactAgeMs, replicas } = vitals;
  const tick = tickAgeMs === null ? "no tick yet" : `the last tick was ${Math.round(tickAgeMs / 1000)} s ago`;
  const facts =
    oldestFactAgeMs === null
      ? "every fact is folded in"
      : `the oldest fact waits for ${Math.round(oldestFactAgeMs)} ms`;
  return [
    check("replicas", replicas > 0, `${replicas} seen in the last 15 s`, "Look at the service's log."),
    check(
      "heartbeat",
      (tickAgeMs ?? 0) < 2 * tickIntervalMs,
      tick,
      "Look for failed cycles in the service's log.",
    ),
    check(
      "facts",
      (oldestFactAgeMs ?? 0) < MAX_FACT_AGE_MS,
      facts,
      "Look for failed cycles in the service's log.",
    ),
  ];
}

/** A recovery that is open does its work: it is said, and is no fault of the installation. */
function recoveryChecks({ setAside, openRecoveries }: Vitals): Check[] {
  return [
    check(
      "set aside",
      setAside === 0,
      setAside === 0 ? "nothing" : `${setAside} that no cycle could stomach`,
      "Look at GET /api/v1/set-aside (orchestrator set-aside); put it back once the cause is mended.",
    ),
    check("recoveries", true, openRecoveries === 0 ? "none is open" : `${openRecoveries} open`, ""),
  ];
}

async function diskCheck(dataDir: string): Promise<Check> {
  const { bavail, bsize } = await statfs(dataDir);
  const freeBytes = bavail * bsize;
  const detail = `${(freeBytes / 1024 ** 3).toFixed(1)} GiB free for the data directory`;
  return check("disk", freeBytes >= MIN_FREE_BYTES, detail, "Free some room: at least 1 GiB.");
}

/** A provider that is off is no fault: it is said, so that nobody wonders who writes. */
function providerChecks({ gemini, openai }: Config): Check[] {
  const on = [...(gemini.apiKey === null ? [] : ["gemini"]), ...(openai.apiKey === null ? [] : ["openai"])];
  const detail = on.length > 0 ? `${on.join(" and ")} on` : "none: the offline writer writes";
  return [check("providers", true, detail, "")];
}

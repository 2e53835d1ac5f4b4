/** Builds and wires everything; nowhere else does. Knows no process: no environment, no signals, no exit. */
import { Problem } from "@master-orchestrator/contract";
import type { FastifyInstance } from "fastify";
import { startWatch } from "#alerts/watch.ts";
import { type BuiltIn, builtInTargets } from "#built-ins.ts";
import { type Config, defaultPublicUrl } from "#config.ts";
import { decisionRecord, recoveryRecord } from "#core/record.ts";
import { type Adjuster, startAdjuster } from "#engine/adjuster.ts";
import { startArchivist } from "#engine/archivist.ts";
import { cyclesInBites } from "#engine/bites.ts";
import type { Clock } from "#engine/clock.ts";
import type { CycleOutcome } from "#engine/cycle.ts";
import { startDispatcher } from "#engine/dispatcher.ts";
import { type Loop, MAX_LEAD_MS, PATIENCE_MS, startLoop } from "#engine/loop.ts";
import { collectGarbage, createMemoryWatch, type MemoryWatch, ownRssMb } from "#engine/memory.ts";
import { startPresence } from "#engine/presence.ts";
import { startRoller } from "#engine/roller.ts";
import { cycleSpan, endedTasks } from "#engine/spans.ts";
import { closeFoundation, type Foundation, type HouseOptions, layFoundation } from "#foundation.ts";
import { findPrice } from "#gateway/prices.ts";
import { startSweep } from "#gateway/sweep.ts";
import { mintApiKey } from "#http/auth.ts";
import { createPreview } from "#http/policy-preview.ts";
import { withDocs } from "#http/routes/docs.ts";
import { buildServer } from "#http/server.ts";
import { type Migrator, startMigrator } from "#migrate/migrator.ts";
import { openN8n } from "#migrate/n8n-api.ts";
import { buildRoutes } from "#routes.ts";
import { startsOf } from "#simulate/starts.ts";
import { insertApiKey } from "#store/api-keys.ts";
import { insertAudit } from "#store/audit.ts";
import { lastTick } from "#store/cycles.ts";
import type { Database } from "#store/database.ts";
import { currentPolicy } from "#store/policies.ts";
import manifest from "../package.json" with { type: "json" };

const DRAIN_WITHIN_MS = 10_000;

export interface House {
  /** Where it listens on this machine. */
  url: string;
  publicUrl: string;
  /** The admin key that this start made, to be shown this once; null if there was one. */
  generatedAdminKey: string | null;
  db: Database;
  loop: Loop;
  /**
   * Takes no new request, ends the running cycle and deliveries, closes everything. Idempotent. `noticeMs`: for so long
   * others are told first that it is not ready any more, while it serves as ever.
   */
  stop(noticeMs?: number): Promise<void>;
}

/** Opens the database, brings its schema up to date, and starts everything that serves and decides. */
export async function openHouse(options: HouseOptions): Promise<House> {
  const foundation = await layFoundation(options);
  const { config } = options;
  const server = buildServer({
    routes: withDocs(buildRoutes(foundation), { publicUrl: config.publicUrl, version: manifest.version }),
    authenticate: foundation.authenticate,
    log: options.log,
    audit: (entry) => insertAudit(foundation.db, entry),
    publicUrl: config.publicUrl,
    nowMs: options.clock?.nowMs,
    tracer: foundation.tracing?.tracer ?? null,
    isStopping: () => foundation.late.stopping === true,
  });
  try {
    await listen(server, config);
  } catch (error) {
    await closeFoundation(foundation);
    throw error;
  }
  const { port } = server.server.address() as { port: number };
  const url = defaultPublicUrl(config.host, port);
  const publicUrl = config.publicUrlIsDefault ? url : config.publicUrl;
  const { generatedAdminKey, db } = foundation;
  const engine = await startEngine(foundation, { url, publicUrl });
  let stopping: Promise<void> | undefined;
  const stop = async (noticeMs: number) => {
    // Whoever asks whether it is ready is told no, so that new requests go to another replica.
    foundation.late.stopping = true;
    const { clock } = foundation;
    if (noticeMs > 0) await new Promise<void>((resolve) => clock.at(clock.nowMs() + noticeMs, resolve));
    foundation.lockLine.stop();
    foundation.late.live?.stop();
    await engine.stop();
    await server.close();
    await closeFoundation(foundation);
  };
  return {
    url,
    publicUrl,
    generatedAdminKey,
    db,
    loop: engine.loop,
    stop(noticeMs = 0) {
      stopping ??= stop(noticeMs);
      return stopping;
    },
  };
}

/** Starts what acts by itself: presence, deliveries, the loop. */
async function startEngine(
  foundation: Foundation,
  { url, publicUrl }: { url: string; publicUrl: string },
): Promise<{ loop: Loop; stop(): Promise<void> }> {
  const { db, clock, outbox, outbound, tokenSecret, builtIns, governor, late } = foundation;
  const { config, log } = foundation.options;
  const onError = (what: string) => (error: unknown) => log.error(what, { error });
  const memory = watchMemory(foundation);
  const presence = await startPresence({
    ...{ db, clock, memory },
    onError: onError("The replica was not announced"),
  });
  const { replicaId } = presence;
  late.replicaId = replicaId;
  const sweep = startSweep({ db, clock, governor, log, onError: onError("The ledger was not swept") });
  const dispatcher = startDispatcher({
    db,
    outbox,
    outbound,
    clock,
    tokenSecret,
    publicUrl,
    builtIns: { baseUrl: url, targets: builtInTargets(builtIns, url) },
    onFacts: () => late.loop?.wake(),
    onSignOfLife: () => late.loop?.wakeSoon(),
    onError: onError("A delivery failed"),
    tracer: foundation.tracing?.tracer ?? null,
  });
  const { decide } = foundation.options;
  // A clock of a test's own stands still while the database waits, and moves only when it is moved.
  const ownClock = foundation.options.clock !== undefined;
  const cycle = cyclesInBites({
    ...{ db, outbox, replicaId, localNowMs: clock.nowMs, decide, log },
  });
  const loop = startLoop({
    clock,
    tickIntervalMs: config.tickIntervalMs,
    lastTickMs: await lastTick(db),
    maxLeadMs: ownClock ? 0 : MAX_LEAD_MS,
    patienceMs: ownClock ? 0 : PATIENCE_MS,
    async run(trigger) {
      const beganMs = clock.monotonicMs();
      const outcome = await cycle(trigger);
      const tookMs = clock.monotonicMs() - beganMs;
      foundation.figures.cycleTook(tookMs);
      traceCycle(foundation, outcome, tookMs);
      for (const step of outcome.recoveries) log.warn("recovery", recoveryRecord(step));
      if (outcome.adapt) log.info("adapt", decisionRecord(outcome.adapt) ?? {});
      late.live?.changed();
      return outcome;
    },
    onMessages: () => dispatcher.wake(),
    onError: onError("A cycle failed and was rolled back"),
    onTick: ({ nowMs, dispatched }, boundaryMs) => {
      const boundary = new Date(boundaryMs).toISOString();
      log.info("tick", { boundary, drift_ms: nowMs - boundaryMs, dispatched });
    },
  });
  late.loop = loop;
  const roller = startRoller({ db, clock, onError: onError("What has ended was not counted") });
  const adjuster = adjusterOf(foundation);
  const archivist = startArchivist({ db, dataDir: config.dataDir, clock, log });
  const watch = startWatch({
    ...{ db, clock, log, outbound, publicUrl, tickIntervalMs: config.tickIntervalMs },
    mail: { smtpUrl: config.alerts.smtpUrl, from: config.alerts.emailFrom },
    onError: onError("Alerts were not judged or delivered"),
  });
  const migrator = startMigrating(foundation, publicUrl);
  return {
    loop,
    async stop() {
      await watch.stop();
      await migrator?.stop();
      await adjuster.stop();
      await archivist.stop();
      await roller.stop();
      // First no new decisions; then what runs here may finish and report, which the next cycle folds in.
      await loop.stop();
      await Promise.all(builtIns.map((builtIn) => drain(builtIn, clock)));
      await dispatcher.stop(DRAIN_WITHIN_MS);
      await sweep.stop();
      await presence.stop();
    },
  };
}

function adjusterOf({ db, clock, late, options: { log } }: Foundation): Adjuster {
  return startAdjuster({
    ...{ db, clock, log, expect: createPreview(db) },
    costAt(policy, use, provider, model) {
      const { inputTokens: input, cachedInputTokens: cachedInput, outputTokens: output } = use;
      const other = { cacheWrite: 0, audioInput: 0, thinking: 0, audioOutput: 0, imageOutput: 0 };
      const usage = { ...other, input, cachedInput, output };
      return findPrice(provider, model, policy, clock.nowMs())?.cost(usage) ?? null;
    },
    changed: () => late.loop?.wake(),
    onError: (error) => log.error("Adjustments were not looked after", { error }),
  });
}

/** A wake-up that found nothing to do is nothing to tell. */
function traceCycle({ tracing }: Foundation, outcome: CycleOutcome, tookMs: number): void {
  if (!tracing || !outcome.decisions.some(({ kind }) => kind !== "hold")) return;
  tracing.tracer(cycleSpan(outcome, tookMs));
  tracing.ended(endedTasks(outcome));
}

/** Null without an n8n in the settings: then nothing is looked after. */
function startMigrating(foundation: Foundation, publicUrl: string): Migrator | null {
  const { db, clock, outbound, late } = foundation;
  const { config, log } = foundation.options;
  const { n8n } = config;
  if (n8n === null) return null;
  late.migrate = {
    ...{ db, clock, outbound, log, n8n: openN8n(outbound, n8n), n8nUrl: n8n.url, timeZone: n8n.timeZone },
    orchestratorUrl: () => publicUrl,
    wake: () => late.loop?.wake(),
    async issueWorkerKey(name) {
      const { keyId, key, secretHash } = mintApiKey();
      const about = { role: "worker", createdBy: "migration", expiresAtMs: null } as const;
      await insertApiKey(db, { keyId, name, secretHash, ...about });
      return key;
    },
    async thinkThrough(runs) {
      const stored = await currentPolicy(db);
      return stored ? startsOf(stored.policy, runs) : [];
    },
  };
  late.migrator = startMigrator(late.migrate);
  return late.migrator;
}

/** Whatever keeps what can be had again is registered here. */
function watchMemory({ options, clock, authenticator }: Foundation): MemoryWatch {
  const { log, rssMb = ownRssMb, onRunaway } = options;
  return createMemoryWatch({
    ...{ rssMb, collectGarbage, log, monotonicMs: clock.monotonicMs },
    caches: [{ name: "api keys", drop: authenticator.forget }],
    onRunaway(reason) {
      log.warn("This process drains and ends, to be started anew", { reason });
      onRunaway?.();
    },
  });
}

/** Lets runs end by themselves for a while: one that is cut short costs its tasks an attempt. */
async function drain({ workflow }: BuiltIn, clock: Clock): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const cancel = clock.at(clock.nowMs() + DRAIN_WITHIN_MS, resolve);
  await Promise.race([workflow.idle(), promise]);
  cancel();
  await workflow.stop();
}

async function listen(server: FastifyInstance, { host, port }: Config): Promise<void> {
  try {
    await server.listen({ host, port });
  } catch (error) {
    if ((error as { code?: string }).code !== "EADDRINUSE") throw error;
    const message = `another program listens on ${host}:${port}`;
    throw new Problem("unavailable", message, "Stop it, or set PORT to a free port.");
  }
}

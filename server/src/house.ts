/** Builds and wires everything; nowhere else does. Knows no process: no environment, no signals, no exit. */
import { createSecretKey, type KeyObject } from "node:crypto";
import { CONTENT_PUBLISHER } from "@master-orchestrator/content-pipeline";
import { Problem } from "@master-orchestrator/contract";
import { revenueDesk } from "@master-orchestrator/revenue-optimizer";
import type { FastifyInstance } from "fastify";
import { publisherTrial } from "#built-in-content.ts";
import { type BuiltIn, builtInTargets, openBuiltIns } from "#built-ins.ts";
import { type Config, defaultPublicUrl } from "#config.ts";
import { decisionRecord, recoveryRecord } from "#core/record.ts";
import { startArchivist } from "#engine/archivist.ts";
import { cyclesInBites } from "#engine/bites.ts";
import { type Clock, wallClock } from "#engine/clock.ts";
import type { CycleContext } from "#engine/cycle.ts";
import { startDispatcher } from "#engine/dispatcher.ts";
import { type Loop, MAX_LEAD_MS, startLoop } from "#engine/loop.ts";
import { collectGarbage, createMemoryWatch, type MemoryWatch, ownRssMb } from "#engine/memory.ts";
import { startPresence } from "#engine/presence.ts";
import { startRoller } from "#engine/roller.ts";
import { readExecutionToken } from "#engine/tokens.ts";
import { ensureAdminKey, ensurePolicy } from "#first-start.ts";
import { createGateway } from "#gateway/gateway.ts";
import { createGovernor, type Governor } from "#gateway/governor.ts";
import { startSweep } from "#gateway/sweep.ts";
import { type Authenticator, createAuthenticator } from "#http/auth.ts";
import { type LiveFeed, openLiveFeed } from "#http/live.ts";
import type { Route } from "#http/route.ts";
import { apiKeyRoutes } from "#http/routes/api-keys.ts";
import { archiveRoutes } from "#http/routes/archives.ts";
import { articleRoutes } from "#http/routes/articles.ts";
import { attemptRoutes } from "#http/routes/attempts.ts";
import { budgetRoutes } from "#http/routes/budget.ts";
import { dashboardRoutes } from "#http/routes/dashboard.ts";
import { deadLetterRoutes } from "#http/routes/dead-letters.ts";
import { withDocs } from "#http/routes/docs.ts";
import { doctorRoutes } from "#http/routes/doctor.ts";
import { entityRoutes } from "#http/routes/entities.ts";
import { eventRoutes } from "#http/routes/events.ts";
import { executionRoutes } from "#http/routes/executions.ts";
import { experimentRoutes } from "#http/routes/experiments.ts";
import { funnelRoutes } from "#http/routes/funnel.ts";
import { gatewayRoutes } from "#http/routes/gateway.ts";
import { healthRoutes } from "#http/routes/health.ts";
import { importRoutes } from "#http/routes/imports.ts";
import { intelligenceRoutes } from "#http/routes/intelligence.ts";
import { lockRoutes } from "#http/routes/locks.ts";
import { metricRoutes } from "#http/routes/metrics.ts";
import { opportunityRoutes } from "#http/routes/opportunities.ts";
import { orchestratorRoutes, showOrchestrator } from "#http/routes/orchestrator.ts";
import { overviewRoutes } from "#http/routes/overview.ts";
import { policyRoutes } from "#http/routes/policy.ts";
import { publisherRoutes } from "#http/routes/publishers.ts";
import { queueRoutes } from "#http/routes/queue.ts";
import { recoveryRoutes } from "#http/routes/recoveries.ts";
import { resourceRoutes } from "#http/routes/resources.ts";
import { reviewRoutes } from "#http/routes/reviews.ts";
import { seoRoutes } from "#http/routes/seo.ts";
import { sessionRoutes } from "#http/routes/session.ts";
import { strategyRoutes } from "#http/routes/strategies.ts";
import { taskRoutes } from "#http/routes/tasks.ts";
import { topicRoutes } from "#http/routes/topics.ts";
import { builtInRoute } from "#http/routes/webhooks.ts";
import { workflowRoutes } from "#http/routes/workflows.ts";
import { buildServer } from "#http/server.ts";
import { createSessions, type Sessions } from "#http/session.ts";
import type { Log } from "#log.ts";
import { createLockLine, type LockLine } from "#migrate/lock-line.ts";
import { createOutbound, type Outbound, type OutboundOptions } from "#outbound/client.ts";
import { findApiKey } from "#store/api-keys.ts";
import { lastTick } from "#store/cycles.ts";
import { awaitDatabase, type Database, openDatabase, ping } from "#store/database.ts";
import { migrate } from "#store/migrate.ts";
import { ensureOrchestrator } from "#store/orchestrator.ts";
import { type Outbox, openOutbox } from "#store/outbox.ts";
import { openRecorder } from "#store/recorder.ts";
import { revenueLibrary } from "#store/revenue.ts";
import manifest from "../package.json" with { type: "json" };

/** Connections of this process until it knows its share of what the policy allows to all. */
const FIRST_CONNECTIONS = 4;
const DATABASE_DEADLINE_MS = 30_000;
const SETTLED_WITHIN_MS = 5_000;
const DRAIN_WITHIN_MS = 10_000;
/** How long what callers record gathers between two writes of it. */
const GATHER_MS = 8;

export interface HouseOptions {
  /** `dataDir` absolute. */
  config: Config;
  databaseUrl: string;
  log: Log;
  clock?: Clock;
  /** For tests: how names are resolved. */
  lookup?: OutboundOptions["lookup"];
  /** For tests: what stands for `plan`. */
  decide?: CycleContext["decide"];
  /** For tests: what stands for the process's own memory. */
  rssMb?: () => number;
  /** The process has far too much memory and cannot help it: whoever runs it should end it, to be started anew. */
  onRunaway?: () => void;
}

export interface House {
  /** Where it listens on this machine. */
  url: string;
  publicUrl: string;
  /** The admin key that this start made, to be shown this once; null if there was one. */
  generatedAdminKey: string | null;
  db: Database;
  loop: Loop;
  /** Takes no new request, ends the running cycle and deliveries, closes everything. Idempotent. */
  stop(): Promise<void>;
}

/** The parts below HTTP: everything that outlives a request. */
interface Foundation {
  options: HouseOptions;
  clock: Clock;
  db: Database;
  outbox: Outbox;
  outbound: Outbound;
  tokenSecret: KeyObject;
  generatedAdminKey: string | null;
  authenticator: Authenticator;
  sessions: Sessions;
  builtIns: BuiltIn[];
  governor: Governor;
  lockLine: LockLine;
  /** Bound once the loop runs: the loop needs the server's address, and the routes need the loop. */
  late: { loop?: Loop; replicaId?: string; stopping?: boolean; live?: LiveFeed };
}

/** Opens the database, brings its schema up to date, and starts everything that serves and decides. */
export async function openHouse(options: HouseOptions): Promise<House> {
  const foundation = await layFoundation(options);
  const { config } = options;
  const server = buildServer({
    routes: withDocs(buildRoutes(foundation), { publicUrl: config.publicUrl, version: manifest.version }),
    async authenticate(headers, method) {
      const caller = await foundation.authenticator.authenticate(headers);
      if (caller.kind !== "anonymous") return caller;
      return (await foundation.sessions.read(headers, method)) ?? caller;
    },
    log: options.log,
    publicUrl: config.publicUrl,
    nowMs: options.clock?.nowMs,
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
  const stop = async () => {
    // Whoever asks whether it is ready is told no, so that new requests go to another replica.
    foundation.late.stopping = true;
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
    stop() {
      stopping ??= stop();
      return stopping;
    },
  };
}

async function layFoundation(options: HouseOptions): Promise<Foundation> {
  const { config, log, lookup } = options;
  const clock = options.clock ?? wallClock;
  const onError = (what: string) => (error: unknown) => log.error(what, { error });
  const db = openDatabase({
    url: options.databaseUrl,
    maxConnections: FIRST_CONNECTIONS,
    onError: onError("A database connection was lost"),
  });
  try {
    await awaitDatabase(db, DATABASE_DEADLINE_MS);
    const migrations = await migrate(db);
    if (migrations.length > 0) log.info("The schema was brought up to date", { migrations });
    const tokenSecret = createSecretKey((await ensureOrchestrator(db)).tokenSecret);
    await ensurePolicy(db, config);
    const generatedAdminKey = config.adminKey === null ? await ensureAdminKey(db, config.dataDir) : null;
    const authenticator = createAuthenticator({
      adminKey: config.adminKey ?? undefined,
      findKey: (keyId) => findApiKey(db, keyId),
      verifyExecutionToken: (token) => readExecutionToken(tokenSecret, token),
      nowMs: clock.nowMs,
    });
    const secure = config.publicUrl.startsWith("https:");
    const sessions = createSessions({ secret: tokenSecret, keys: authenticator, nowMs: clock.nowMs, secure });
    const outbound = createOutbound({ allow: config.outboundAllow, log, lookup });
    const builtIns = await openBuiltIns({ db, config, outbound, clock, tokenSecret, log });
    const outbox = await openOutbox(db, onError("The outbox has a problem"));
    const governor = createGovernor({ db, clock, log });
    const lockLine = createLockLine({ db, clock });
    const made = { db, outbox, outbound, tokenSecret, generatedAdminKey, authenticator, builtIns, governor };
    return { options, clock, ...made, sessions, lockLine, late: {} };
  } catch (error) {
    await db.close();
    throw error;
  }
}

async function closeFoundation({ outbox, outbound, db }: Foundation): Promise<void> {
  await outbox.stop();
  await outbound.close();
  await db.close();
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
    onError: onError("A delivery failed"),
  });
  const { decide } = foundation.options;
  const cycle = cyclesInBites({ db, outbox, replicaId, localNowMs: clock.nowMs, decide, log });
  const loop = startLoop({
    clock,
    tickIntervalMs: config.tickIntervalMs,
    lastTickMs: await lastTick(db),
    // A clock of a test's own stands still while the database waits.
    maxLeadMs: foundation.options.clock ? 0 : MAX_LEAD_MS,
    async run(trigger) {
      const outcome = await cycle(trigger);
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
  const archivist = startArchivist({ db, dataDir: config.dataDir, clock, log });
  return {
    loop,
    async stop() {
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

function buildRoutes(foundation: Foundation): Route[] {
  const { db, clock, outbound, authenticator, builtIns, governor, lockLine, late } = foundation;
  const { config, log } = foundation.options;
  const loop = () => {
    if (late.stopping) {
      throw new Problem("unavailable", "this replica is stopping", "Try again: another one takes it.");
    }
    if (late.loop) return late.loop;
    throw new Problem("unavailable", "the orchestrator is starting", "Try again in a second.");
  };
  const wake = () => late.loop?.wake();
  const recorder = openRecorder(db, () => clock.gather(GATHER_MS));
  const requests = { db, recorder, wake, settled: () => loop().settled(SETTLED_WITHIN_MS) };
  const state = { db, version: manifest.version, nextTickMs: () => loop().nextTickMs() };
  late.live = openLiveFeed({ db, clock, log, status: () => showOrchestrator(state) });
  return [
    ...taskRoutes(requests),
    ...deadLetterRoutes(requests),
    ...executionRoutes(requests),
    ...attemptRoutes({ db, recorder, wake, nowMs: clock.nowMs }),
    ...orchestratorRoutes({ ...state, wake, runNow: () => loop().runNow() }),
    ...eventRoutes({ live: late.live }),
    ...overviewRoutes({ ...state, tickIntervalMs: config.tickIntervalMs }),
    ...queueRoutes({ db }),
    ...recoveryRoutes(requests),
    ...policyRoutes({ db, changed: wake }),
    ...workflowRoutes({ db, outbound, changed: wake }),
    ...topicRoutes({ db }),
    ...importRoutes({ db }),
    ...sessionRoutes({ identify: authenticator.identify, sessions: foundation.sessions }),
    ...apiKeyRoutes({ db, invalidate: authenticator.invalidate, nowMs: clock.nowMs }),
    ...gatewayRoutes({
      gateway: createGateway({
        ...{ db, governor, outbound, clock, log },
        providers: { openai: config.openai, gemini: config.gemini },
        replicaId: () => late.replicaId ?? null,
      }),
      identify: authenticator.identify,
    }),
    ...lockRoutes({ db, log, line: lockLine }),
    ...resourceRoutes({ db }),
    ...metricRoutes({ db }),
    ...budgetRoutes({ db, governor, clock }),
    ...doctorRoutes({ db, config }),
    ...archiveRoutes({ db, dataDir: config.dataDir }),
    ...articleRoutes({ db }),
    ...dashboardRoutes(),
    ...intelligenceRoutes({ db }),
    ...revenueRoutes(db),
    ...reviewRoutes({ db, publisherWorkflow: CONTENT_PUBLISHER, wake }),
    ...entityRoutes({ db }),
    ...publisherRoutes({ db, outbound, tryOut: publisherTrial({ config, outbound, clock }) }),
    ...seoRoutes({ db }),
    ...healthRoutes({ checks: { database: () => ping(db), loop: async () => loop() }, log }),
    ...builtIns.map((builtIn) => builtInRoute(builtIn.path, builtIn.workflow)),
  ];
}

function revenueRoutes(db: Database): Route[] {
  const desk = revenueDesk(revenueLibrary(db, { readWithinSeconds: 20 }));
  return [
    ...funnelRoutes({ db, desk }),
    ...experimentRoutes({ db, desk }),
    ...strategyRoutes({ db }),
    ...opportunityRoutes({ db }),
  ];
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

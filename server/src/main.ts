/** Builds and wires everything; nowhere else does. Run directly it is the service, from start to stop. */
import { createHmac } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { CONTENT_PIPELINE, contentPipeline } from "@master-orchestrator/content-pipeline";
import { defaultPolicy, Policy, Problem, validate } from "@master-orchestrator/contract";
import type { Workflow } from "@master-orchestrator/sdk";
import { type Config, defaultPublicUrl, loadConfig } from "#config.ts";
import { type Clock, wallClock } from "#engine/clock.ts";
import { runCycle } from "#engine/cycle.ts";
import { type BuiltInTarget, type Dispatcher, startDispatcher } from "#engine/dispatcher.ts";
import { type Loop, startLoop } from "#engine/loop.ts";
import { startPresence } from "#engine/presence.ts";
import { readExecutionToken } from "#engine/tokens.ts";
import { createAuthenticator, mintApiKey } from "#http/auth.ts";
import type { Route } from "#http/route.ts";
import { apiKeyRoutes } from "#http/routes/api-keys.ts";
import { articleRoutes } from "#http/routes/articles.ts";
import { attemptRoutes } from "#http/routes/attempts.ts";
import { withDocs } from "#http/routes/docs.ts";
import { executionRoutes } from "#http/routes/executions.ts";
import { healthRoutes } from "#http/routes/health.ts";
import { orchestratorRoutes } from "#http/routes/orchestrator.ts";
import { policyRoutes } from "#http/routes/policy.ts";
import { taskRoutes } from "#http/routes/tasks.ts";
import { builtInRoute } from "#http/routes/webhooks.ts";
import { workflowRoutes } from "#http/routes/workflows.ts";
import { buildServer } from "#http/server.ts";
import { createLog, type Log } from "#log.ts";
import { createOutbound, type OutboundOptions } from "#outbound/client.ts";
import { findApiKey, hasAdminKey, insertApiKey } from "#store/api-keys.ts";
import { contentLibrary } from "#store/content.ts";
import { lastTick } from "#store/cycles.ts";
import { awaitDatabase, type Database, openDatabase } from "#store/database.ts";
import { startEmbedded } from "#store/embedded/index.ts";
import { migrate } from "#store/migrate.ts";
import { ensureOrchestrator } from "#store/orchestrator.ts";
import { openOutbox } from "#store/outbox.ts";
import { currentPolicy, insertPolicyVersion } from "#store/policies.ts";
import { seedBuiltIn } from "#store/workflows.ts";
import manifest from "../package.json" with { type: "json" };

/** Connections of this process; the fleet's limit is the policy's. */
const POOL_CONNECTIONS = 10;
const DATABASE_DEADLINE_MS = 30_000;
const SETTLED_WITHIN_MS = 5_000;
const DRAIN_WITHIN_MS = 10_000;

export interface House {
  /** Where it listens on this machine. */
  url: string;
  publicUrl: string;
  /** Shown once: the admin key that this start generated; null if there was one. */
  generatedAdminKey: string | null;
  db: Database;
  loop: Loop;
  dispatcher: Dispatcher;
  /** Takes no new request, ends the running cycle and deliveries, closes everything. Idempotent. */
  stop(): Promise<void>;
}

export interface HouseOptions {
  config: Config;
  databaseUrl: string;
  log: Log;
  clock?: Clock;
  /** For tests: how names are resolved. */
  lookup?: OutboundOptions["lookup"];
}

/** Opens the database, brings its schema up to date, and starts everything that serves and decides. */
export async function openHouse(options: HouseOptions): Promise<House> {
  const { config, log } = options;
  const clock = options.clock ?? wallClock;
  const onError = (what: string) => (error: unknown) => log.error(what, { error });
  const db = openDatabase({
    url: options.databaseUrl,
    maxConnections: POOL_CONNECTIONS,
    onError: onError("A database connection was lost"),
  });
  await awaitDatabase(db, DATABASE_DEADLINE_MS);
  const migrated = await migrate(db);
  if (migrated.length > 0) log.info("The schema was brought up to date", { migrations: migrated });
  const { tokenSecret } = await ensureOrchestrator(db);
  await ensurePolicy(db, config);
  const generatedAdminKey = config.adminKey === null ? await ensureAdminKey(db, config.dataDir) : null;
  const outbox = await openOutbox(db, onError("The outbox has a problem"));
  const outbound = createOutbound({ allow: config.outboundAllow, log, lookup: options.lookup });
  const builtIns = await openBuiltIns(db, config, tokenSecret, log);

  // The routes need the loop and the loop needs the address, so the loop is bound late.
  const late: { loop?: Loop; dispatcher?: Dispatcher } = {};
  const authenticator = createAuthenticator({
    adminKey: config.adminKey ?? undefined,
    findKey: (keyId) => findApiKey(db, keyId),
    verifyExecutionToken: (token) => readExecutionToken(tokenSecret, token),
    nowMs: clock.nowMs,
  });
  const publicUrl = () => (config.publicUrlIsDefault ? address.url : config.publicUrl);
  const address = { url: "" };
  const routes = buildRoutes({ db, clock, log, late, outbound, authenticator, builtIns });
  const server = buildServer({
    routes: withDocs(routes, { publicUrl: config.publicUrl, version: manifest.version }),
    authenticate: authenticator.authenticate,
    log,
    publicUrl: config.publicUrl,
  });
  await listen(server, config);
  const { port } = server.server.address() as { port: number };
  address.url = defaultPublicUrl(config.host, port);
  const presence = await startPresence({ db, clock, onError: onError("The replica could not be announced") });
  const dispatcher = startDispatcher({
    db,
    outbox,
    outbound,
    clock,
    tokenSecret,
    publicUrl: publicUrl(),
    builtIns: { baseUrl: address.url, targets: builtInTargets(builtIns, address.url) },
    onFacts: () => late.loop?.wake(),
    onError: onError("A delivery failed"),
  });
  const loop = startLoop({
    clock,
    tickIntervalMs: config.tickIntervalMs,
    lastTickMs: await lastTick(db),
    run: (trigger) => runCycle({ db, outbox, replicaId: presence.replicaId }, trigger),
    onMessages: () => dispatcher.wake(),
    onError: onError("A cycle failed and was rolled back"),
    onTick: (outcome, boundaryMs) =>
      log.info("tick", {
        boundary: new Date(boundaryMs).toISOString(),
        drift_ms: outcome.nowMs - boundaryMs,
      }),
  });
  late.loop = loop;
  late.dispatcher = dispatcher;

  let stopping: Promise<void> | undefined;
  const stop = async () => {
    await loop.stop();
    await Promise.all(builtIns.map((builtIn) => builtIn.workflow.stop()));
    await dispatcher.stop(DRAIN_WITHIN_MS);
    await server.close();
    await presence.stop();
    await outbox.stop();
    await outbound.close();
    await db.close();
  };
  return {
    url: address.url,
    publicUrl: publicUrl(),
    generatedAdminKey,
    db,
    loop,
    dispatcher,
    stop() {
      stopping ??= stop();
      return stopping;
    },
  };
}

interface RouteParts {
  db: Database;
  clock: Clock;
  log: Log;
  late: { loop?: Loop };
  outbound: ReturnType<typeof createOutbound>;
  authenticator: ReturnType<typeof createAuthenticator>;
  builtIns: readonly BuiltIn[];
}

function buildRoutes({ db, clock, log, late, outbound, authenticator, builtIns }: RouteParts): Route[] {
  const loop = () => {
    if (late.loop) return late.loop;
    throw new Problem("unavailable", "the orchestrator is starting", "Try again in a second.");
  };
  const wake = () => late.loop?.wake();
  const tasks = { db, wake, settled: () => loop().settled(SETTLED_WITHIN_MS) };
  return [
    ...taskRoutes(tasks),
    ...executionRoutes(tasks),
    ...attemptRoutes({ db, wake, nowMs: clock.nowMs }),
    ...orchestratorRoutes({
      db,
      wake,
      version: manifest.version,
      nextTickMs: () => loop().nextTickMs(),
      runNow: () => loop().runNow(),
    }),
    ...policyRoutes({ db, changed: wake }),
    ...workflowRoutes({ db, outbound, changed: wake }),
    ...apiKeyRoutes({ db, invalidate: authenticator.invalidate, nowMs: clock.nowMs }),
    ...articleRoutes({ db }),
    ...healthRoutes({ checks: { database: () => db.query("select 1"), loop: async () => loop() }, log }),
    ...builtIns.map((builtIn) => builtInRoute(builtIn.path, builtIn.workflow)),
  ];
}

/** A sub-workflow that runs in this very process, dispatched by signed webhooks like any other. */
interface BuiltIn {
  path: string;
  workflow: Workflow;
  signingSecret: string;
}

async function openBuiltIns(db: Database, config: Config, tokenSecret: Buffer, log: Log): Promise<BuiltIn[]> {
  const key = createHmac("sha256", tokenSecret).update(`built-in:${CONTENT_PIPELINE}`).digest("base64");
  const signingSecret = `whsec_${key}`;
  await seedBuiltIn(db, CONTENT_PIPELINE, {
    timeout_seconds: 300,
    batch: { min: 1, max: 10 },
    max_concurrent: 3,
    accept: "json_accepted",
    weight: 1,
    critical: false,
  });
  const workflow = contentPipeline({
    library: contentLibrary(db),
    providers: { gemini: config.gemini.apiKey !== null, openai: config.openai.apiKey !== null },
    publicUrl: config.publicUrlIsDefault ? undefined : config.publicUrl,
    sdk: {
      signingSecret,
      log: (level, message, details) => log[level](message, { workflow: CONTENT_PIPELINE, ...details }),
    },
  });
  return [{ path: "/workflows/content-pipeline", workflow, signingSecret }];
}

function builtInTargets(builtIns: readonly BuiltIn[], url: string): Map<string, BuiltInTarget> {
  return new Map(
    builtIns.map(({ path, workflow, signingSecret }) => [workflow.type, { url: url + path, signingSecret }]),
  );
}

/** The policy file, if one is set, is loaded at every start at which it differs; else the default, once. */
async function ensurePolicy(db: Database, config: Config): Promise<void> {
  const current = await currentPolicy(db);
  if (config.policyFile !== null) {
    const policy = await readPolicyFile(config.policyFile);
    if (JSON.stringify(policy) === JSON.stringify(current?.policy)) return;
    const comment = "loaded from POLICY_FILE";
    await insertPolicyVersion(db, (current?.version ?? 0) + 1, {
      policy,
      comment,
      changedBy: "installation",
    });
  } else if (!current) {
    const defaults = defaultPolicy();
    const policy = { ...defaults, budget: { ...defaults.budget, daily_usd: config.dailyBudgetUsd } };
    await insertPolicyVersion(db, 1, { policy, comment: "the first policy", changedBy: "installation" });
  }
}

async function readPolicyFile(path: string): Promise<Policy> {
  try {
    const document = JSON.parse(await readFile(path, "utf8"));
    return validate(Policy, "policy" in document ? document.policy : document);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Problem(
      "invalid_setting",
      `POLICY_FILE ${path}: ${why}`,
      "Correct the file, or unset POLICY_FILE.",
    );
  }
}

/** Makes the first admin key and leaves it where the CLI finds it, readable by its owner only. */
async function ensureAdminKey(db: Database, dataDir: string): Promise<string | null> {
  if (await hasAdminKey(db)) return null;
  const { keyId, key, secretHash } = mintApiKey();
  // The file comes first: a key that is stored but was never shown would lock everybody out.
  await writeFile(join(dataDir, "admin-key"), `${key}\n`, { mode: 0o600 });
  const name = "admin (first start)";
  await insertApiKey(db, {
    keyId,
    name,
    role: "admin",
    secretHash,
    createdBy: "installation",
    expiresAtMs: null,
  });
  return key;
}

async function listen(server: ReturnType<typeof buildServer>, config: Config): Promise<void> {
  try {
    await server.listen({ host: config.host, port: config.port });
  } catch (error) {
    if ((error as { code?: string }).code !== "EADDRINUSE") throw error;
    throw new Problem(
      "unavailable",
      `another program listens on ${config.host}:${config.port}`,
      "Stop it, or set PORT to a free port.",
    );
  }
}

/** The service as a process: settings, database, house, signals. */
async function main(): Promise<void> {
  const config = loadConfig(process.env);
  const log = createLog(config);
  const dataDir = resolve(config.dataDir);
  let house: House | undefined;
  let stopping = false;
  const embedded =
    config.databaseUrl === null
      ? await startEmbedded({
          dataDir,
          log: (level, message, details) => log[level](message, details),
          onLost: (error) => {
            log.error("The embedded database is lost", { error });
            void shutDown(1);
          },
        })
      : null;
  const shutDown = async (code: number) => {
    if (stopping) return;
    stopping = true;
    log.info("Stopping: what runs is being finished");
    await house?.stop().catch((error) => log.error("Stopping was not clean", { error }));
    await embedded?.stop();
    process.exit(code);
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => void shutDown(0));
  try {
    const databaseUrl = config.databaseUrl ?? (embedded?.url as string);
    house = await openHouse({ config: { ...config, dataDir }, databaseUrl, log });
  } catch (error) {
    await embedded?.stop();
    throw error;
  }
  announce(house, dataDir);
}

/** What a person who starts it has to know. */
function announce(house: House, dataDir: string): void {
  const lines = [
    "",
    `  Master Orchestrator is ready: ${house.publicUrl}`,
    `  Articles  ${house.publicUrl}/articles`,
    `  API       ${house.publicUrl}/docs`,
  ];
  if (house.generatedAdminKey) {
    lines.push(
      `  Admin key ${house.generatedAdminKey}`,
      `            shown this once; the CLI reads it from ${join(dataDir, "admin-key")}`,
    );
  }
  process.stdout.write(`${lines.join("\n")}\n\n`);
}

if (import.meta.main) {
  main().catch((error: unknown) => {
    const said =
      error instanceof Problem
        ? `${error.message}\n  ${error.hint}`
        : error instanceof Error
          ? error.stack
          : error;
    process.stderr.write(`orchestrator: ${said}\n`);
    process.exit(1);
  });
}

/** Owns what outlives a request: opens and closes the parts below HTTP. Starts nothing that acts by itself. */
import { createSecretKey, type KeyObject } from "node:crypto";
import { ensureEnvironmentChannels } from "#alerts/environment.ts";
import { type BuiltIn, openBuiltIns } from "#built-ins.ts";
import type { Config } from "#config.ts";
import { type Clock, wallClock } from "#engine/clock.ts";
import type { CycleContext } from "#engine/cycle.ts";
import type { Loop } from "#engine/loop.ts";
import { readExecutionToken } from "#engine/tokens.ts";
import { type Figures, openFigures } from "#figures.ts";
import { ensureAdminKey, ensurePolicy } from "#first-start.ts";
import { createGovernor, type Governor } from "#gateway/governor.ts";
import { type Authenticator, createAuthenticator } from "#http/auth.ts";
import type { LiveFeed } from "#http/live.ts";
import type { Caller, HeaderLookup, Method } from "#http/route.ts";
import { createSessions, type Sessions } from "#http/session.ts";
import type { Log } from "#log.ts";
import type { MigrateContext } from "#migrate/context.ts";
import { createLockLine, type LockLine } from "#migrate/lock-line.ts";
import type { Migrator } from "#migrate/migrator.ts";
import { createOutbound, type Outbound, type OutboundOptions } from "#outbound/client.ts";
import { findApiKey } from "#store/api-keys.ts";
import { awaitDatabase, type Database, openDatabase } from "#store/database.ts";
import { migrate } from "#store/migrate.ts";
import { ensureOrchestrator } from "#store/orchestrator.ts";
import { type Outbox, openOutbox } from "#store/outbox.ts";
import { openTracing, type Tracing } from "#tracing.ts";
import manifest from "../package.json" with { type: "json" };

/** Connections of this process until it knows its share of what the policy allows to all. */
const FIRST_CONNECTIONS = 4;
const DATABASE_DEADLINE_MS = 30_000;
/** How long the last traces may take when the process stops. */
const TRACES_WITHIN_MS = 3_000;

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

/** The parts below HTTP: everything that outlives a request. */
export interface Foundation {
  options: HouseOptions;
  clock: Clock;
  figures: Figures;
  db: Database;
  outbox: Outbox;
  outbound: Outbound;
  tokenSecret: KeyObject;
  generatedAdminKey: string | null;
  authenticator: Authenticator;
  sessions: Sessions;
  /** Who asks: by a key or token, else by a session. Throws `unauthorized` for a credential that is good no longer. */
  authenticate(headers: HeaderLookup, method: Method): Promise<Caller>;
  builtIns: BuiltIn[];
  governor: Governor;
  lockLine: LockLine;
  /** Null: nothing is recorded. */
  tracing: Tracing | null;
  /** Bound once the loop runs: the loop needs the server's address, and the routes need the loop. */
  late: {
    loop?: Loop;
    replicaId?: string;
    stopping?: boolean;
    live?: LiveFeed;
    migrate?: MigrateContext;
    migrator?: Migrator;
  };
}

/** Opens the database, brings its schema up to date, and makes everything that HTTP and the engine share. */
export async function layFoundation(options: HouseOptions): Promise<Foundation> {
  const { config, log, lookup } = options;
  const clock = options.clock ?? wallClock;
  const onError = (what: string) => (error: unknown) => log.error(what, { error });
  const { version } = manifest;
  const figures = openFigures(version);
  const db = figures.watch(
    openDatabase({
      url: options.databaseUrl,
      maxConnections: FIRST_CONNECTIONS,
      onError: onError("A database connection was lost"),
    }),
  );
  try {
    await awaitDatabase(db, DATABASE_DEADLINE_MS);
    const migrations = await migrate(db);
    if (migrations.length > 0) log.info("The schema was brought up to date", { migrations });
    const tokenSecret = createSecretKey((await ensureOrchestrator(db)).tokenSecret);
    await ensurePolicy(db, config);
    await ensureEnvironmentChannels(db, config.alerts);
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
    const tracing =
      config.tracing && openTracing({ config: config.tracing, db, outbound, clock, log, version });
    const tracer = tracing?.tracer ?? null;
    const builtIns = await openBuiltIns({ db, config, outbound, clock, tokenSecret, log, tracer });
    const outbox = await openOutbox(db, onError("The outbox has a problem"));
    const governor = createGovernor({ db, clock, log });
    const lockLine = createLockLine({ db, clock });
    const made = { db, outbox, outbound, tokenSecret, generatedAdminKey, authenticator, builtIns, governor };
    const authenticate: Foundation["authenticate"] = async (headers, method) => {
      const caller = await authenticator.authenticate(headers);
      return caller.kind === "anonymous" ? ((await sessions.read(headers, method)) ?? caller) : caller;
    };
    return { options, clock, figures, ...made, sessions, authenticate, lockLine, tracing, late: {} };
  } catch (error) {
    await db.close();
    throw error;
  }
}

export async function closeFoundation({ outbox, outbound, db, tracing }: Foundation): Promise<void> {
  await tracing?.stop(TRACES_WITHIN_MS);
  await outbox.stop();
  await outbound.close();
  await db.close();
}

/** Tells a database that is away from one that refuses what we ask. Repairs nothing. */

/**
 * SQLSTATEs that pass by themselves: connection exceptions (08), resources (53), a server that stops or starts
 * (57P), a statement or lock that ran out of time, a server that is only a standby now, a lost transaction, a name of a
 * prepared statement that is lost or taken (it is prepared anew).
 */
const OUTAGE_STATES = /^(08|53|57P0|57014$|55P03$|25006$|25P03$|26000$|40001$|40P01$|42P05$)/;
const OUTAGE_SYSTEM_CODES = new Set([
  // Our own word for a pool that had none free in time.
  "database_busy",
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
]);
/** The driver and its pool report these without any code; a plan that a migration has outdated is made anew. */
const OUTAGE_WORDS =
  /^(cached plan must not change result type|Connection terminated|timeout exceeded when trying to connect|timeout expired|Query read timeout|Client has encountered a connection error|Client was closed|Cannot use a pool after calling end)/;

/** Whether an error of the database driver means that the database is away, rather than that we are wrong. */
export function isDatabaseOutage(error: unknown): boolean {
  // Another server that is away is not the database.
  if (error instanceof Error && error.name === "OutboundFailure") return false;
  for (let inner = error, depth = 0; inner instanceof Error && depth < 4; inner = inner.cause, depth++) {
    if (inner instanceof AggregateError) return inner.errors.some(isDatabaseOutage);
    const code = (inner as { code?: unknown }).code;
    if (typeof code === "string" && (OUTAGE_STATES.test(code) || OUTAGE_SYSTEM_CODES.has(code))) return true;
    if (OUTAGE_WORDS.test(inner.message)) return true;
  }
  return false;
}

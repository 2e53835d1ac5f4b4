/**
 * Statements that come again and again are prepared by name, so that a connection parses and plans each of them once. Only on
 * connections to the server itself: behind a proxy that pools transactions the next server would not know the name.
 */
import type pg from "pg";

/** Of each connection; statements have fixed texts, so there are never that many. */
const MAX_NAMES = 300;

/** The name is not known (a proxy went unnoticed), is taken, or the columns have changed since the statement was prepared. */
const UNKNOWN_NAME = "26000";
const SPENT_NAME = /^(26000|42P05|0A000)$/;

export interface Preparer {
  /** For the pool: finds out whether a new connection is the server's own. */
  onConnect(client: pg.ClientBase): Promise<void>;
  /** Sends `text` on `client`, by name where that may be. */
  query<R extends pg.QueryResultRow>(
    client: pg.ClientBase,
    text: string,
    values?: unknown[],
  ): Promise<pg.QueryResult<R>>;
}

export function createPreparer(): Preparer {
  /** Of connections to the server itself: how often its names were spent, as a part of the next ones. */
  const generations = new WeakMap<pg.ClientBase, number>();
  const names = new Map<string, string>();
  let usable = true;

  function nameOf(client: pg.ClientBase, text: string): string | undefined {
    const generation = generations.get(client);
    if (generation === undefined || !usable) return undefined;
    if (!names.has(text)) {
      if (names.size >= MAX_NAMES) return undefined;
      names.set(text, `s${names.size}`);
    }
    return `${names.get(text)}_${generation}`;
  }

  return {
    async onConnect(client) {
      const { rows } = await client.query("select pg_backend_pid() as pid");
      // A proxy greets with a number of its own.
      if (rows[0].pid === (client as unknown as { processID: number }).processID) generations.set(client, 0);
    },
    async query(client, text, values) {
      const name = values === undefined ? undefined : nameOf(client, text);
      if (name === undefined) return await client.query(text, values);
      try {
        return await client.query({ name, text, values: values as unknown[] });
      } catch (error) {
        const { code = "" } = error as { code?: string };
        if (code === UNKNOWN_NAME) usable = false;
        if (SPENT_NAME.test(code)) generations.set(client, (generations.get(client) ?? 0) + 1);
        throw error;
      }
    },
  };
}

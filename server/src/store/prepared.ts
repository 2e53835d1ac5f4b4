/**
 * Statements that come again and again are prepared by name, so that a connection parses and plans each of them once. Only on
 * connections to the server itself: behind a proxy that pools transactions the next server would not know the name.
 */
import type pg from "pg";
import { type Answer, type Prepared, sendBatch, sendInBatch } from "./batch.ts";

/** Of each connection; statements have fixed texts, so there are never that many. */
const MAX_NAMES = 300;

/** The name is not known (a proxy went unnoticed), is taken, or the columns have changed since the statement was prepared. */
const UNKNOWN_NAME = "26000";
const SPENT_NAME = /^(26000|42P05|0A000)$/;

export interface Preparer {
  /** For the pool: finds out whether a new connection is the server's own. */
  onConnect(client: pg.ClientBase): Promise<void>;
  /**
   * Sends `text` on `client`, in one batch with what else is sent in this turn. Without `values` it is sent alone: that may
   * be several statements.
   */
  query<R extends pg.QueryResultRow>(
    client: pg.ClientBase,
    text: string,
    values?: unknown[],
  ): Promise<Answer<R>>;
  /** The same, by name where that may be. */
  queryByName: Preparer["query"];
}

export function createPreparer(types: pg.CustomTypesConfig): Preparer {
  /** Of connections to the server itself: what each of them knows, by its text. */
  const known = new WeakMap<pg.ClientBase, Map<string, Prepared>>();
  let names = 0;
  let usable = true;

  function statementOf(client: pg.ClientBase, text: string): Prepared {
    const statements = usable ? known.get(client) : undefined;
    const statement = statements?.get(text);
    if (statement) return statement;
    if (!statements || statements.size >= MAX_NAMES) return unnamed(text);
    const named = { ...unnamed(text), name: `s${names++}` };
    statements.set(text, named);
    return named;
  }

  function send<R>(
    client: pg.ClientBase,
    text: string,
    values: unknown[] | undefined,
    statement: () => Prepared,
  ): Promise<Answer<R>> {
    if (values !== undefined) return sendInBatch(client, statement(), values, types);
    sendBatch(client);
    return client.query(text) as unknown as Promise<Answer<R>>;
  }

  return {
    async onConnect(client) {
      const { rows } = await client.query("select pg_backend_pid() as pid");
      // A proxy greets with a number of its own.
      if (rows[0].pid === (client as unknown as { processID: number }).processID)
        known.set(client, new Map());
    },
    query: (client, text, values) => send(client, text, values, () => unnamed(text)),
    async queryByName(client, text, values) {
      try {
        return await send(client, text, values, () => statementOf(client, text));
      } catch (error) {
        const { code = "" } = error as { code?: string };
        if (code === UNKNOWN_NAME) usable = false;
        if (SPENT_NAME.test(code) && known.has(client)) known.set(client, new Map());
        throw error;
      }
    },
  };
}

function unnamed(text: string): Prepared {
  return { name: "", text, state: "new", columns: null };
}

/**
 * Statements that are sent on a connection in one turn of the event loop travel as one batch: in one piece, with one `Sync` at its
 * end instead of one to each, which costs both sides as much as a small statement does. A batch stands or falls as a whole.
 */
import type { Writable } from "node:stream";
import pg from "pg";
// @ts-expect-error -- the driver exports it, its types leave it out
import pgUtils from "pg/lib/utils.js";

/** How a value of one column becomes one of ours. */
interface Column {
  name: string;
  parse(text: string): unknown;
}

/** A statement as one connection knows it. Without a name it is parsed each time. */
export interface Prepared {
  name: string;
  text: string;
  /** `asked`: it is not known whether the server has taken it in, since its batch failed or is under way. */
  state: "new" | "asked" | "known";
  columns: readonly Column[] | null;
}

export interface Answer<R> {
  rows: R[];
  rowCount: number | null;
}

interface Sent {
  statement: Prepared;
  values: unknown[];
  /** Null until its rows are described, or where they have been before. */
  columns: readonly Column[] | null;
  // biome-ignore lint/suspicious/noExplicitAny: rows are typed by the function that wrote the statement
  answer: Answer<any>;
  // biome-ignore lint/suspicious/noExplicitAny: as above
  resolve(answer: Answer<any>): void;
  reject(error: unknown): void;
}

/** The driver's side of a connection: the messages of the extended protocol. */
interface Wire {
  stream: Writable;
  parse(message: { name: string; text: string }): void;
  bind(message: { statement: string; values: unknown[] }): void;
  describe(message: { type: "P" }): void;
  execute(message: object): void;
  close(message: { type: "S"; name: string }): void;
  sync(): void;
}

/** Batches that wait for the end of the turn, by the connection on which they will be sent. */
const open = new WeakMap<pg.ClientBase, Batch>();

/** Sends `statement` with whatever else is sent on `client` in this turn. Values are read now. */
export function sendInBatch<R>(
  client: pg.ClientBase,
  statement: Prepared,
  values: readonly unknown[],
  types: pg.CustomTypesConfig,
): Promise<Answer<R>> {
  const mapped = values.map(pgUtils.prepareValue);
  let batch = open.get(client);
  if (!batch) {
    batch = new Batch(types);
    open.set(client, batch);
    process.nextTick(sendBatch, client);
  }
  return batch.add<R>(statement, mapped);
}

/** Sends what has gathered on `client`, if anything has: what is sent next by another way comes after it. */
export function sendBatch(client: pg.ClientBase): void {
  const batch = open.get(client);
  open.delete(client);
  if (batch) client.query(batch as unknown as pg.Submittable);
}

/**
 * To the driver a query like another: it is handed the connection to write to, and the answers as they come. The driver takes
 * nothing else in a pipeline, where what keeps a portal open would do harm; a batch keeps none.
 */
class Batch extends pg.Query {
  readonly #types: pg.CustomTypesConfig;
  readonly #sent: Sent[] = [];
  /** How many have been answered. */
  #done = 0;
  #failure: { error: unknown } | null = null;

  constructor(types: pg.CustomTypesConfig) {
    super("");
    this.#types = types;
  }

  add<R>(statement: Prepared, values: unknown[]): Promise<Answer<R>> {
    return new Promise((resolve, reject) => {
      const answer = { rows: [], rowCount: null };
      this.#sent.push({ statement, values, columns: null, answer, resolve, reject });
    });
  }

  override submit = (connection: pg.Connection): void => {
    const wire = connection as unknown as Wire;
    wire.stream.cork();
    const parsed = new Set<Prepared>();
    for (const sent of this.#sent) {
      const { statement, values } = sent;
      const { name, text, state, columns } = statement;
      if (state !== "known" && !parsed.has(statement)) {
        if (state === "asked") wire.close({ type: "S", name });
        wire.parse({ name, text });
        parsed.add(statement);
        if (name !== "") statement.state = "asked";
      }
      wire.bind({ statement: name, values });
      sent.columns = state === "known" ? columns : null;
      if (sent.columns === null) wire.describe({ type: "P" });
      wire.execute({});
    }
    wire.sync();
    wire.stream.uncork();
  };

  handleRowDescription({ fields }: { fields: pg.FieldDef[] }): void {
    const sent = this.#sent[this.#done] as Sent;
    sent.columns = fields.map(({ name, dataTypeID }) => ({
      name,
      parse: this.#types.getTypeParser(dataTypeID, "text") as (text: string) => unknown,
    }));
  }

  handleDataRow({ fields }: { fields: (string | null)[] }): void {
    const { columns, answer } = this.#sent[this.#done] as Sent;
    try {
      answer.rows.push(rowOf(columns ?? [], fields));
    } catch (error) {
      this.#failure ??= { error };
    }
  }

  handleCommandComplete({ text }: { text: string }): void {
    const sent = this.#sent[this.#done++] as Sent;
    const count = /\d+$/.exec(text);
    sent.answer.rowCount = count && Number(count[0]);
  }

  handleReadyForQuery(): void {
    this.#learn();
    for (const { resolve, reject, answer } of this.#sent) {
      if (this.#failure) reject(this.#failure.error);
      else resolve(answer);
    }
  }

  handleError(error: unknown): void {
    this.#learn();
    for (const { reject } of this.#sent) reject(error);
  }

  /** What was answered is known to the server, with or without the batch: prepared statements are of no transaction. */
  #learn(): void {
    for (const { statement, columns } of this.#sent.slice(0, this.#done)) {
      if (statement.name === "") continue;
      statement.state = "known";
      statement.columns = columns ?? [];
    }
  }
}

function rowOf(columns: readonly Column[], fields: readonly (string | null)[]): Record<string, unknown> {
  const row: Record<string, unknown> = {};
  for (let i = 0; i < columns.length; i++) {
    const { name, parse } = columns[i] as Column;
    const text = fields[i] as string | null;
    row[name] = text === null ? null : parse(text);
  }
  return row;
}

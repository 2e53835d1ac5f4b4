/** Measures every list with every filter at 10,000 and at ROWS rows (default 10,000,000), on disk: first page, and one deep inside. */
import { findCycles } from "../server/src/store/cycle-search.ts";
import { type Database, openDatabase } from "../server/src/store/database.ts";
import { listDeadLetters } from "../server/src/store/dead-letters.ts";
import { listExecutions } from "../server/src/store/execution-views.ts";
import type { Position } from "../server/src/store/listing.ts";
import { migrate } from "../server/src/store/migrate.ts";
import { listTasks } from "../server/src/store/task-views.ts";
import { machine, percentile, withCluster } from "./cluster.ts";

const SMALL = 10_000;
const ROWS = Number(process.env.ROWS ?? 10_000_000);
const ROUNDS = 40;
const PAGE = 50;
/** The rows spread evenly over 30 days. */
const END = Date.UTC(2026, 0, 31);
const START = END - 30 * 86_400_000;
const at = (share: number) => new Date(START + share * (END - START));

interface Case {
  name: string;
  run(db: Database): Promise<unknown[]>;
}

interface Cost {
  p50: number;
  p99: number;
  rows: number;
}

/** Rows `from` to `to` of each list; without its indexes a table is filled several times as fast. */
async function fill(db: Database, from: number, to: number): Promise<void> {
  const tables = ["tasks", "workflow_orchestration"];
  await db.transaction(async (tx) => {
    await tx.query(
      "set local statement_timeout = 0; set local session_replication_role = replica; set local maintenance_work_mem = '1GB'",
    );
    const { rows: indexes } = await tx.query(
      `select indexrelid::regclass::text as name, pg_get_indexdef(indexrelid) as definition from pg_index
        where indrelid = any($1::regclass[]) and not indisprimary`,
      [tables],
    );
    for (const { name } of indexes) await tx.query(`drop index ${name}`);
    await tx.query(TASKS, [from, to, at(0), at(1), ROWS]);
    await tx.query(EXECUTIONS, [from, to, at(0), at(1), ROWS]);
    await tx.query(CYCLES, [from / 10, to / 10, at(0), at(1), ROWS / 10]);
    for (const { definition } of indexes) await tx.query(definition);
  });
  for (const table of [...tables, "cycles"]) await db.query(`vacuum analyze ${table}`);
}

/** A time in the order of n, whatever part of the rows is there; and an id that begins with it. */
const ID = (salt: string) =>
  `(lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '7' || substr(md5('${salt}' || n), 1, 19))::uuid`;
/** Spreads the first ${SMALL} over the whole time as well: n jumps by a step that meets every place once. */
const SERIES = `(select n, $3::timestamptz + (n * 7368787 % $5::bigint)::float8 / $5 * ($4::timestamptz - $3) as at
   from generate_series($1::bigint, $2::bigint - 1) n) series`;
const PICK = (salt: string) => `(('x' || substr(md5('${salt}' || n), 1, 6))::bit(24)::int % 1000)`;

/** Most are completed; the rare status belongs to one workflow alone, so that a list of another's finds nothing. */
const TASKS = `
  insert into tasks (task_id, workflow_type, content_type, priority, status, payload, request_hash, created_by,
         created_at, due_at, aged_from, completed_at)
  select ${ID("t")}, case when pick < 3 then 'flow_0' else 'flow_' || lane / 5 % 4 end, 'kind_' || lane % 5, n % 101,
         status, '{}', '\\x00', 'bench', at, at, at,
         case when status in ('completed', 'dead_lettered', 'cancelled') then at + interval '1 minute' end
    from (select *, case when pick < 3 then 'retrying' when pick < 10 then 'scheduled' when pick < 30 then 'queued'
                         when pick < 50 then 'dead_lettered' when pick < 80 then 'cancelled' else 'completed' end as status
            from (select *, ${PICK("s")} as pick, ${PICK("l")} as lane from ${SERIES}) picked) task`;

const EXECUTIONS = `
  insert into workflow_orchestration (execution_id, parent_execution_id, workflow_type, status, priority, attempts,
         task_count, created_at, started_at, completed_at)
  select ${ID("e")}, case when n % 10 > 0 then md5('parent' || n / 10)::uuid end,
         case when n % 10 = 0 then 'master_orchestrator' when pick < 3 then 'flow_0' else 'flow_' || pick % 4 end,
         status, 50, 1, 1, at, at, case when status in ('COMPLETED', 'FAILED', 'CANCELLED') then at + interval '1 minute' end
    from (select *, case when n % 10 = 0 then 'COMPLETED' when pick < 3 then 'ERROR_RECOVERY' when pick < 60 then 'FAILED'
                         when pick < 80 then 'CANCELLED' else 'COMPLETED' end as status
            from (select *, ${PICK("p")} as pick from ${SERIES}) picked) execution`;

const CYCLES = `
  insert into cycles (cycle_id, trigger, started_at, duration_ms, policy_version, dispatched, held, snapshot, decisions,
         reasons, replica_id)
  select ${ID("c")}, case when n % 300 = 0 then 'tick' else 'wake' end, at, 1, 1, 1, 0, '{}', '[]', '[]', 'bench' from ${SERIES}`;

/** Behind the middle of everything. */
const middle: Position = {
  createdMicros: at(0.5).getTime() * 1000,
  id: "ffffffff-ffff-ffff-ffff-ffffffffffff",
};
const middleId = `${at(0.5)
  .getTime()
  .toString(16)
  .padStart(12, "0")
  .replace(/^(.{8})/, "$1-")}-7000-8000-000000000000`;
const day = { from: at(0.4).toISOString(), to: at(0.4 + 1 / 30).toISOString() };
const lane = { workflowType: "flow_1", contentType: "kind_2" };

const TASK_FILTERS: Record<string, object> = {
  "no filter": {},
  status: { status: "completed" },
  "a rare status": { status: "dead_lettered" },
  workflow: { workflowType: "flow_1" },
  "content type": { contentType: "kind_2" },
  "workflow, content type": lane,
  "status, workflow": { status: "completed", workflowType: "flow_1" },
  "status, workflow: none": { status: "retrying", workflowType: "flow_1" },
  "status, content type": { status: "cancelled", contentType: "kind_2" },
  "status, workflow, content type": { status: "completed", ...lane },
  "time range": day,
  "status, time range": { status: "dead_lettered", ...day },
  "workflow, content type, time range": { ...lane, ...day },
  everything: { status: "cancelled", ...lane, ...day },
};

const EXECUTION_FILTERS: Record<string, object> = {
  "no filter": {},
  status: { status: "COMPLETED" },
  "a rare status": { status: "ERROR_RECOVERY" },
  type: { workflowType: "flow_1" },
  "type: cycles": { workflowType: "master_orchestrator" },
  "status, type": { status: "FAILED", workflowType: "flow_1" },
  "status, type: none": { status: "ERROR_RECOVERY", workflowType: "flow_1" },
  "time range": day,
  "status, type, time range": { status: "FAILED", workflowType: "flow_1", ...day },
};

function cases(parent: string): Case[] {
  const pages = (
    list: string,
    filters: Record<string, object>,
    run: (db: Database, filter: object) => Promise<unknown[]>,
  ) =>
    Object.entries(filters).flatMap(([name, filter]) => [
      { name: `${list}: ${name}, first page`, run: (db: Database) => run(db, filter) },
      { name: `${list}: ${name}, deep page`, run: (db: Database) => run(db, { ...filter, before: middle }) },
    ]);
  const cycles = (name: string, trigger: object) => [
    {
      name: `cycles: ${name}, first page`,
      run: async (db: Database) => (await findCycles(db, { ...trigger, limit: PAGE })).cycles,
    },
    {
      name: `cycles: ${name}, deep page`,
      run: async (db: Database) =>
        (await findCycles(db, { ...trigger, limit: PAGE, before: middleId })).cycles,
    },
  ];
  return [
    ...pages("tasks", TASK_FILTERS, (db, filter) => listTasks(db, { limit: PAGE, ...filter })),
    ...pages("executions", EXECUTION_FILTERS, (db, filter) => listExecutions(db, { limit: PAGE, ...filter })),
    {
      name: "executions: parent",
      run: (db) => listExecutions(db, { limit: PAGE, parentExecutionId: parent }),
    },
    {
      name: "executions: parent, status",
      run: (db) => listExecutions(db, { limit: PAGE, parentExecutionId: parent, status: "FAILED" }),
    },
    ...cycles("no filter", {}),
    ...cycles("ticks", { trigger: "tick" }),
    { name: "tasks: status, pages of 500", run: (db) => listTasks(db, { limit: 500, status: "completed" }) },
    {
      name: "dead letters: no filter",
      run: (db) => listDeadLetters(db, {}, { before: undefined, limit: PAGE }),
    },
    {
      name: "dead letters: workflow, content type",
      run: (db) => listDeadLetters(db, lane, { before: undefined, limit: PAGE }),
    },
  ];
}

async function measureAll(db: Database): Promise<Map<string, Cost>> {
  const { rows } = await db.query(
    "select parent_execution_id as id from workflow_orchestration where parent_execution_id is not null limit 1",
  );
  const costs = new Map<string, Cost>();
  for (const { name, run } of cases(rows[0]?.id)) {
    const times: number[] = [];
    let found = 0;
    for (let i = 0; i < ROUNDS; i++) {
      const started = performance.now();
      found = (await run(db)).length;
      times.push(performance.now() - started);
    }
    times.sort((a, b) => a - b);
    costs.set(name, { p50: percentile(times, 50), p99: percentile(times, 99), rows: found });
  }
  return costs;
}

await withCluster(async (url) => {
  const db = openDatabase({ url, maxConnections: 1, onError: () => {} });
  await migrate(db);
  await fill(db, 0, SMALL);
  const small = await measureAll(db);
  const started = performance.now();
  await fill(db, SMALL, ROWS);
  const sizes = await db.query(`select pg_size_pretty(pg_database_size(current_database())) as size`);
  console.log(
    `${ROWS} tasks, ${ROWS} executions, ${ROWS / 10} cycles: ${sizes.rows[0]?.size}, filled in ${Math.round((performance.now() - started) / 1000)} s`,
  );
  const large = await measureAll(db);
  console.log(`${"list".padEnd(66)}  rows   p50 ms   p99 ms   p50 at ${SMALL}   ratio`);
  let worst = 0;
  for (const [name, cost] of large) {
    const before = small.get(name) as Cost;
    const ratio = cost.p50 / before.p50;
    worst = Math.max(worst, cost.p50);
    const figures = [cost.p50.toFixed(2), cost.p99.toFixed(2), before.p50.toFixed(2), ratio.toFixed(2)];
    console.log(
      `${name.padEnd(66)}  ${String(cost.rows).padStart(4)} ${figures.map((figure) => figure.padStart(8)).join(" ")}`,
    );
  }
  console.log(
    `the slowest list costs ${worst.toFixed(2)} ms at the median of ${ROUNDS} rounds, pages of ${PAGE}`,
  );
  console.log(await machine());
  await db.close();
});

/**
 * Measures what each page of the dashboard waits for: the service's own answers over HTTP, with WAITING tasks in the queue
 * (default 1,000,000) and EVENTS transitions in the history (default 5,000,000), beside the same with a thousand of each.
 */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defaultPolicy } from "../contract/src/policy.ts";
import { loadConfig } from "../server/src/config.ts";
import { openHouse } from "../server/src/house.ts";
import { type Database, openDatabase } from "../server/src/store/database.ts";
import { waitingCounts } from "../server/src/store/lane-counts.ts";
import { migrate } from "../server/src/store/migrate.ts";
import { machine, percentile, withCluster } from "./cluster.ts";
import { openings } from "./pages-browser.ts";

const SMALL = 1_000;
const WAITING = Number(process.env.WAITING ?? 1_000_000);
const EVENTS = Number(process.env.EVENTS ?? 5_000_000);
const ROUNDS = Number(process.env.ROUNDS ?? 15);
const KEY = randomBytes(24).toString("hex");

/** Pages with what they ask for at once; `:task` and the like are filled in. */
const PAGES: Record<string, string[]> = {
  overview: ["/overview", "/metrics/history?step=minute"],
  queue: ["/queue", "/tasks?status=queued&limit=25"],
  "a waiting task": ["/tasks/:waiting", "/tasks/:waiting/explain"],
  "a task that has ended": ["/tasks/:ended", "/tasks/:ended/explain"],
  executions: ["/executions?limit=50"],
  "executions that failed": ["/executions?status=FAILED&limit=50"],
  "an execution": ["/executions/:execution"],
  "dead letters": ["/dead-letters/groups?limit=50"],
  resources: ["/resources", "/budget/summary?by=workflow"],
  workflows: ["/workflows?limit=50"],
  policy: ["/policy", "/policy/history?limit=50"],
  decisions: ["/cycles?limit=50", "/recoveries?open=true&limit=50"],
  "a cycle": ["/cycles/:cycle"],
};

/** Over the last ten days, in five lanes of each of two workflows; most tasks that have ended were completed. */
async function fill(db: Database, waiting: number, events: number): Promise<void> {
  const ended = Math.floor(events / 3);
  const tables = ["tasks", "workflow_orchestration"];
  await db.transaction(async (tx) => {
    await tx.query(
      "set local statement_timeout = 0; set local session_replication_role = replica; set local maintenance_work_mem = '512MB'",
    );
    const { rows: indexes } = await tx.query(
      `select indexrelid::regclass::text as name, pg_get_indexdef(indexrelid) as definition from pg_index
        where indrelid = any($1::regclass[]) and not indisprimary`,
      [tables],
    );
    for (const { name } of indexes) await tx.query(`drop index ${name}`);
    for (const table of [...tables, "attempts", "transitions", "cycles", "execution_tasks", "task_errors"])
      await tx.query(`delete from ${table}`);
    await tx.query(TASKS, [waiting, ended]);
    await tx.query(TRANSITIONS);
    await tx.query(EXECUTIONS);
    await tx.query(CYCLES);
    for (const { definition } of indexes) await tx.query(definition);
  });
  for (const table of [...tables, "transitions", "cycles"]) await db.query(`vacuum analyze ${table}`);
}

const ID = (salt: string, at: string) =>
  `(lpad(to_hex((extract(epoch from ${at}) * 1000)::bigint), 12, '0') || '7' || substr(md5('${salt}' || n), 1, 3) || '8' || substr(md5('${salt}' || n), 4, 15))::uuid`;

const TASKS = `
  insert into tasks (task_id, workflow_type, content_type, priority, status, payload, request_hash, created_by, created_at,
         due_at, aged_from, started_at, completed_at, error_fingerprint)
  select ${ID("t", "at")}, case n % 2 when 0 then 'content_pipeline' else 'seo_monitor' end, 'kind_' || n / 2 % 5, n * 7919 % 101,
         status, '{"title": "A topic"}', '\\x00', 'bench', at, at, at, case when status <> 'queued' then at + interval '5 s' end,
         case when status <> 'queued' then at + interval '1 minute' end,
         case when status = 'dead_lettered' then 'kind-' || n % 7 end
    from (select n, now() - interval '10 days' * (1 - n::float8 / ($1 + $2)) as at,
                 case when n % ($1 + $2) * 7368787 % ($1 + $2) < $1 then 'queued'
                      when n % 500 = 0 then 'dead_lettered' else 'completed' end as status
            from generate_series(0, $1::bigint + $2 - 1) n) made`;
const TRANSITIONS = `
  insert into transitions (at, entity, entity_id, from_state, to_state, reason, actor)
  select step.at, 'task', task_id, step.from_state, step.to_state, 'as it went', 'orchestrator'
    from tasks cross join lateral (values (created_at, null, 'queued'), (started_at, 'queued', 'running'),
           (completed_at, 'running', status)) step (at, from_state, to_state)
   where step.at is not null and (step.from_state is null or tasks.status <> 'queued')`;
const EXECUTIONS = `
  insert into workflow_orchestration (execution_id, workflow_type, content_type, status, priority, attempts, task_count, created_at,
         started_at, completed_at, cost_micros)
  select task_id, workflow_type, content_type, case status when 'completed' then 'COMPLETED' else 'FAILED' end, priority, 1, 1,
         created_at, started_at, completed_at, 40000 from tasks where status <> 'queued' and priority % 3 = 0`;
const CYCLES = `
  insert into cycles (cycle_id, trigger, started_at, duration_ms, policy_version, dispatched, held, snapshot, decisions, reasons,
         replica_id)
  select execution_id, 'wake', created_at, 4, 1, 1, 1, '{}', '[{"kind": "dispatch"}]',
         '[{"lane": "content_pipeline/kind_1", "reason": "concurrency_workflow", "cause": "3 of 3", "tasks": 9}]', 'bench'
    from workflow_orchestration`;

interface Cost {
  p50: number;
  p95: number;
}

async function measure(url: string, db: Database): Promise<Map<string, Cost>> {
  const one = async (text: string) => (await db.query(text)).rows[0]?.id as string;
  const ids: Record<string, string> = {
    ":waiting": await one(
      "select task_id as id from tasks where status = 'queued' order by created_at offset 500 limit 1",
    ),
    ":ended": await one(
      "select task_id as id from tasks where status = 'completed' order by created_at limit 1",
    ),
    ":execution": await one(
      "select execution_id as id from workflow_orchestration where status = 'COMPLETED' order by created_at limit 1",
    ),
    ":cycle": await one("select cycle_id as id from cycles order by started_at limit 1"),
  };
  const filled = (path: string) => path.replace(/:[a-z]+/, (name) => ids[name] ?? name);
  const ask = async (path: string) => {
    const answer = await fetch(`${url}/api/v1${filled(path)}`, {
      headers: { authorization: `Bearer ${KEY}` },
    });
    const text = await answer.text();
    if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${text.slice(0, 300)}`);
  };
  const costs = new Map<string, Cost>();
  const time = async (name: string, work: () => Promise<unknown>) => {
    const times: number[] = [];
    for (let i = 0; i < ROUNDS; i++) {
      const began = performance.now();
      await work();
      times.push(performance.now() - began);
    }
    times.sort((a, b) => a - b);
    costs.set(name, { p50: percentile(times, 50), p95: percentile(times, 95) });
  };
  for (const [name, paths] of Object.entries(PAGES)) {
    await time(name, () => Promise.all(paths.map(ask)));
    if (paths.length > 1) for (const path of paths) await time(`  ${path}`, () => ask(path));
  }
  const { rows: lanes } = await db.query<{ workflowType: string; contentType: string }>(
    `select distinct workflow_type as "workflowType", content_type as "contentType" from tasks where status = 'queued'`,
  );
  await time("(all waiting tasks counted in full)", () =>
    waitingCounts(db, lanes, [0, 50, 100], defaultPolicy().ageing),
  );
  return costs;
}

/** A house of its own over the database, paused, so that nothing is decided meanwhile. */
async function withHouse<T>(databaseUrl: string, work: (url: string) => Promise<T>): Promise<T> {
  const dataDir = await mkdtemp(join(tmpdir(), "bench-pages-"));
  const silent = () => {};
  const house = await openHouse({
    config: loadConfig({ PORT: "0", DATA_DIR: dataDir, ORCHESTRATOR_ADMIN_KEY: KEY }),
    databaseUrl,
    log: {
      debug: silent,
      info: silent,
      warn: silent,
      error: (words, details) => console.error(words, details),
    },
  });
  try {
    return await work(house.url);
  } finally {
    await house.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

await withCluster(async (url) => {
  const db = openDatabase({ url, maxConnections: 2, onError: () => {} });
  await migrate(db);
  await withHouse(url, async () => {
    await db.query("update orchestrator set paused = true, paused_by = 'bench', paused_at = now()");
  });
  await fill(db, SMALL, SMALL);
  const small = await withHouse(url, (at) => measure(at, db));
  const began = performance.now();
  await fill(db, WAITING, EVENTS);
  const { rows } = await db.query(
    `select (select count(*) from tasks)::int as tasks, (select count(*) from transitions)::int as transitions,
            (select count(*) from cycles)::int as cycles, pg_size_pretty(pg_database_size(current_database())) as size`,
  );
  const { tasks, transitions, cycles, size } = rows[0] as Record<string, unknown>;
  const seconds = Math.round((performance.now() - began) / 1000);
  console.log(
    `${WAITING} waiting of ${tasks} tasks, ${transitions} transitions, ${cycles} cycles: ${size}, filled in ${seconds} s`,
  );
  const large = await withHouse(url, (at) => measure(at, db));
  console.log(`${"page".padEnd(44)}   p50 ms   p95 ms   p50 at ${SMALL}   ratio`);
  for (const [name, cost] of large) {
    const before = small.get(name) as Cost;
    const figures = [cost.p50, cost.p95, before.p50, cost.p50 / before.p50].map((value) => value.toFixed(1));
    console.log(`${name.padEnd(44)} ${figures.map((figure) => figure.padStart(8)).join(" ")}`);
  }
  console.log(`${"in a browser, from the click until nothing is loading".padEnd(54)} p50 ms   p95 ms`);
  for (const [name, { p50, p95 }] of await withHouse(url, (at) => openings(at, KEY))) {
    console.log(`${name.padEnd(52)} ${p50.toFixed(1).padStart(8)} ${p95.toFixed(1).padStart(8)}`);
  }
  console.log(await machine());
  await db.close();
});

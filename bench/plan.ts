/** Measures what a decision costs at a queue depth of 1,000, 100,000 and 1,000,000: snapshot and plan, on disk. */
import { plan } from "../server/src/core/plan.ts";
import { openDatabase } from "../server/src/store/database.ts";
import { migrate } from "../server/src/store/migrate.ts";
import { ensureOrchestrator } from "../server/src/store/orchestrator.ts";
import { lockOrchestrator, readSnapshot } from "../server/src/store/snapshot.ts";
import { machine, percentile, withCluster } from "./cluster.ts";

const DEPTHS = [1_000, 100_000, 1_000_000];
const ROUNDS = 50;

interface Cost {
  snapshotMs: number;
  planMs: number;
}

await withCluster(async (url) => {
  const db = openDatabase({ url, maxConnections: 2, onError: () => {} });
  await migrate(db);
  await ensureOrchestrator(db);
  await db.query("insert into policy_versions (version, policy, changed_by) values (1, '{}', 'bench')");
  await db.query(`insert into workflows (workflow_type, built_in, settings, updated_by)
                  select 'flow_' || n, true, '{}', 'bench' from generate_series(0, 1) n`);
  const costs: Cost[] = [];
  let depth = 0;
  for (const target of DEPTHS) {
    await db.transaction(async (tx) => {
      await tx.query("set local statement_timeout = '10min'");
      // Eight lanes of ten priority levels each.
      await tx.query(
        `insert into tasks (task_id, workflow_type, content_type, priority, status, payload, request_hash, created_by, due_at, aged_from)
         select gen_random_uuid(), 'flow_' || n % 2, 'lane_' || (n / 2) % 4, 10 * (n % 10), 'queued', '{}', '\\x00', 'bench',
                clock_timestamp() - n * interval '10 milliseconds', clock_timestamp() - n * interval '10 milliseconds'
           from generate_series($1::int, $2::int - 1) n`,
        [depth, target],
      );
    });
    depth = target;
    await db.query("vacuum analyze tasks");
    costs.push(await measure());
    const { snapshotMs, planMs } = costs.at(-1) as Cost;
    console.log(
      `depth ${String(depth).padStart(9)}: snapshot p50 ${snapshotMs.toFixed(2)} ms, plan p50 ${planMs.toFixed(2)} ms`,
    );
  }
  const [shallow, , deep] = costs as [Cost, Cost, Cost];
  const total = (cost: Cost) => cost.snapshotMs + cost.planMs;
  console.log(`1,000,000 costs ${(total(deep) / total(shallow)).toFixed(2)} × what 1,000 costs (at most 2)`);
  console.log(await machine());
  await db.close();

  async function measure(): Promise<Cost> {
    const snapshots: number[] = [];
    const plans: number[] = [];
    for (let i = 0; i < ROUNDS; i++) {
      await db.transaction(async (tx) => {
        const locked = await lockOrchestrator(tx);
        const started = performance.now();
        const snapshot = await readSnapshot(tx, locked);
        const read = performance.now();
        plan(snapshot);
        plans.push(performance.now() - read);
        snapshots.push(read - started);
      });
    }
    const p50 = (values: number[]) =>
      percentile(
        values.sort((a, b) => a - b),
        50,
      );
    return { snapshotMs: p50(snapshots), planMs: p50(plans) };
  }
});

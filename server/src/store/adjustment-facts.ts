/** Reads what adjustments are judged and derived from: costs by lane and hour, by model, by size of run. Changes nothing. */
import type { LaneHour } from "#core/adjust.ts";
import type { ModelUse, RunSize } from "#core/adjust-candidates.ts";
import type { Queryable } from "./database.ts";
import { runCost } from "./run-cost.ts";

const MOST_LANES = 500;
const MOST_MODELS = 100;
const MOST_RUNS = 20_000;

/** What ended and was charged by full hours, of each lane or of one; lanes with most tasks first where there are too many. */
export async function laneHours(
  db: Queryable,
  { fromMs, toMs, lane = null }: { fromMs: number; toMs: number; lane?: string | null },
): Promise<Map<string, LaneHour[]>> {
  const { rows } = await db.query(
    `with lane as (
       select workflow_type, content_type from roll_ups
        where step = 'hour' and at >= $1 and at < $2 and content_type <> ''
          and ($3::text is null or workflow_type || '/' || content_type = $3)
        group by 1, 2 order by sum(completed) desc limit ${MOST_LANES})
     select workflow_type || '/' || content_type as lane, at, completed, dead_lettered, cost_micros
       from roll_ups join lane using (workflow_type, content_type)
      where step = 'hour' and at >= $1 and at < $2 order by 1, 2`,
    [new Date(fromMs), new Date(toMs), lane],
  );
  const hours = new Map<string, LaneHour[]>();
  for (const row of rows) {
    const { at: atMs, completed, dead_lettered: deadLettered, cost_micros: costMicros } = row;
    const hour = { atMs, completed, deadLettered, costMicros };
    const known = hours.get(row.lane);
    if (known) known.push(hour);
    else hours.set(row.lane, [hour]);
  }
  return hours;
}

interface Span {
  fromMs: number;
  toMs: number;
}

/** What a lane's metered calls used, by the model that was called; the dearest first. */
export async function modelUses(
  db: Queryable,
  lane: { workflowType: string; contentType: string },
  { fromMs, toMs }: Span,
): Promise<ModelUse[]> {
  const { rows } = await db.query(
    `select provider, asked_model as model, count(*)::int as calls, coalesce(sum(input_tokens), 0)::bigint as input,
            coalesce(sum(cached_input_tokens), 0)::bigint as cached, coalesce(sum(output_tokens), 0)::bigint as output,
            sum(cost_micros)::bigint as cost
       from ledger
      where day >= ($1::timestamptz at time zone 'UTC')::date - 1 and settled_at >= $1 and settled_at < $2
        and state = 'settled' and cost_micros > 0 and input_tokens is not null and fallback is null
        and workflow_type = $3 and content_type = $4 and provider is not null and asked_model is not null
      group by 1, 2 order by 7 desc limit ${MOST_MODELS}`,
    [new Date(fromMs), new Date(toMs), lane.workflowType, lane.contentType],
  );
  return rows.map((row) => ({
    provider: row.provider,
    model: row.model,
    calls: row.calls,
    inputTokens: row.input,
    cachedInputTokens: row.cached,
    outputTokens: row.output,
    costMicros: row.cost,
  }));
}

/** Models that answered somebody in the house, and were charged. */
export async function knownModels(
  db: Queryable,
  { fromMs, toMs }: Span,
): Promise<{ provider: string; model: string }[]> {
  const { rows } = await db.query(
    `select provider, models[1] as model from ledger
      where day >= ($1::timestamptz at time zone 'UTC')::date - 1 and settled_at >= $1 and settled_at < $2
        and state = 'settled' and cost_micros > 0 and provider is not null and models[1] is not null
      group by 1, 2 order by count(*) desc limit ${MOST_MODELS}`,
    [new Date(fromMs), new Date(toMs)],
  );
  return rows.map(({ provider, model }) => ({ provider, model }));
}

/** The newest runs that ended well at their first attempt: what a task cost, by how many tasks they carried. */
export async function runSizes(
  db: Queryable,
  lane: { workflowType: string; contentType: string },
  { fromMs, toMs }: Span,
): Promise<RunSize[]> {
  const { rows } = await db.query(
    `select tasks, count(*)::int as runs, avg(micros) as mean, coalesce(var_samp(micros), 0) as variance
       from (select task_count as tasks, ${runCost("e")}::float8 / task_count as micros
               from workflow_orchestration e
              where created_at >= $1 and created_at < $2 and workflow_type = $3 and content_type = $4
                and status = 'COMPLETED' and attempts = 1 and task_count > 0
              order by created_at desc limit ${MOST_RUNS}) newest
      group by 1 order by 1`,
    [new Date(fromMs), new Date(toMs), lane.workflowType, lane.contentType],
  );
  return rows.map((row) => ({
    tasks: row.tasks,
    runs: row.runs,
    meanMicros: row.mean,
    varianceMicros: row.variance,
  }));
}

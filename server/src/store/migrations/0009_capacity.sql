-- What the plan holds back for: what tasks of a lane have needed lately, and replicas that are short of memory.

create table lane_needs (
  workflow_type    text not null,
  content_type     text not null,
  runs             int not null,
  calls            jsonb not null,
  cost_micros      float8 not null,
  provider_micros  jsonb not null,
  seconds          float8 not null,
  measured_at      timestamptz not null,
  primary key (workflow_type, content_type)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
comment on table lane_needs is 'What one task of a lane has called and cost, and how long a run of it took: smoothed over its runs that ended well';
comment on column lane_needs.calls is 'Requests of one task, by provider';
comment on column lane_needs.provider_micros is 'Of the cost of one task, what the gateway metered, by provider';
create index on lane_needs (measured_at);

alter table replicas add column memory_pressed boolean not null default false;
comment on column replicas.memory_pressed is 'It has had more memory than the policy allows, and not yet gone back far enough below';

-- What there is of what runs out, for the plan, in one answer: `permits` of each pool, providers that rest (`paused`), what is
-- `used` of each scope's money today, measured `needs`, runs `at_work` of lanes that are known to need something
-- (and `ending` ones), and what they have `spent`. A function, so that it is planned once for each connection, and by the indexes.
create function read_supplies(
  pools text[], spans_ms float8[], scopes text[], types text[], ending uuid[],
  parts int, most_lanes int, most_runs int, most_slots int)
returns jsonb language plpgsql stable
set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off as $$
#variable_conflict use_column
declare
  now_at timestamptz := governor_now();
  wall timestamptz := orchestrator_now();
  permits jsonb;
  paused jsonb;
  used jsonb;
  needs jsonb;
  at_work jsonb;
  spent jsonb;
begin
  select jsonb_agg(jsonb_build_object('have', coalesce(pool.slots, 0), 'free', slot.free, 'freeing', slot.freeing,
           'seen', slot.seen) order by lim.n) into permits
    from unnest(pools, spans_ms) with ordinality as lim (pool, span, n)
    left join permit_pools pool using (pool)
   cross join lateral (
     select coalesce(sum(slots) filter (where bucket <= 0), 0) as free, coalesce(sum(slots), 0) as seen,
            jsonb_agg(jsonb_build_array(bucket * lim.span / parts, slots) order by bucket) filter (where bucket > 0) as freeing
       from (select ceil((extract(epoch from granted_at - now_at) * 1000 + lim.span) * parts / lim.span) as bucket,
                    count(*) as slots
               from (select greatest(granted_at, 'epoch') as granted_at from permit_slots s
                      where s.pool = lim.pool order by s.granted_at, s.slot limit most_slots) oldest
              group by 1) bucketed) slot;

  select jsonb_agg(jsonb_build_object('provider', provider, 'kind', kind,
           'untilMs', extract(epoch from until_at - now_at) * 1000 + extract(epoch from wall) * 1000)) into paused
    from provider_pauses where model = '' and until_at > now_at;

  select jsonb_agg(coalesce((select settled_micros + held_micros from ledger_totals t
                              where t.day = (wall at time zone 'UTC')::date and t.scope = cap.scope), 0) order by cap.n)
    into used from unnest(scopes) with ordinality as cap (scope, n);

  select jsonb_agg(jsonb_build_object('workflowType', workflow_type, 'contentType', content_type, 'runs', runs,
           'calls', calls, 'costMicros', cost_micros, 'providerMicros', provider_micros, 'seconds', seconds)) into needs
    from (select * from lane_needs order by measured_at desc limit most_lanes) lately;

  with w as materialized (
    select e.execution_id, e.workflow_type, e.content_type, a.attempt, cardinality(a.task_ids) as tasks,
           extract(epoch from wall - a.dispatched_at) * 1000 as age_ms
      from workflow_orchestration e join attempts a on a.execution_id = e.execution_id and a.attempt = e.attempts
     where e.status in ('DISPATCHING', 'MONITORING') and a.state in ('sent', 'accepted')
       and (e.execution_id = any(ending) or e.workflow_type = any(types)
         or exists (select from lane_needs n where n.workflow_type = e.workflow_type
                       and n.content_type = e.content_type and (n.calls <> '{}' or n.cost_micros > 0)))
     limit most_runs),
  by_provider as (
    select l.execution_id, coalesce(l.provider, '') as provider, sum(l.permits) as calls,
           sum(case when l.state = 'held' then l.reserved_micros else l.cost_micros end) as micros
      from w join ledger l on l.execution_id = w.execution_id and l.attempt = w.attempt
     where l.state <> 'released' and l.source <> 'callback'
     group by 1, 2)
  select (select jsonb_agg(jsonb_build_object('executionId', execution_id, 'workflowType', workflow_type,
                    'contentType', content_type, 'tasks', tasks, 'ageMs', age_ms)) from w),
         (select jsonb_agg(jsonb_build_array(execution_id, provider, calls, micros)) from by_provider)
    into at_work, spent;

  return jsonb_build_object('permits', permits, 'paused', paused, 'used', used, 'needs', needs,
    'at_work', at_work, 'spent', spent);
end $$;

-- How far work gives way to what the day has cost, and what schedules need to run evenly under it.

alter table orchestrator add column slowness double precision not null default 0 check (slowness between 0 and 1);
alter table orchestrator add column slowness_reason text;
alter table orchestrator add column slowness_since timestamptz;
comment on column orchestrator.slowness is '0: batches and intervals are as set; 1: they give way as far as policy adapt allows';

alter table schedules add column every_ms bigint;
alter table schedules add column last_run_at timestamptz;
alter table schedules add column last_cause text;
comment on column schedules.every_ms is 'The interval by which last_slot was counted; another one begins with its next slot';
comment on column schedules.last_run_at is 'Where the last run stands in an even spacing: its slot, or up to one interval before';

-- What a day has cost is one range of this; executions without a cost are not in it.
create index workflow_orchestration_cost on workflow_orchestration (created_at) include (cost_micros)
  where cost_micros > 0;

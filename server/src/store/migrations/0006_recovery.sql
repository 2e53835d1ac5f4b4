-- Recovery: how attempts ended lately, what is being done about trouble, cycles that failed, and what was set aside.

-- Counters by slices of time, so that the error rate of the last minutes costs the same at any throughput.
create table attempt_counts (
  slice_at         timestamptz not null,
  workflow_type    text not null,
  ended            int not null,
  failed_endpoint  int not null,
  failed_task      int not null,
  failures_in_row  int not null,
  primary key (slice_at, workflow_type)
) with (fillfactor = 50, autovacuum_vacuum_threshold = 500);
comment on table attempt_counts is 'Attempts that ended, by workflow, in slices of 15 s; kept for two hours';
comment on column attempt_counts.failures_in_row is 'Failures since the last success, as of the end of the slice';

create table recoveries (
  recovery_id    uuid primary key,
  procedure      text not null check (procedure in ('rescue_expired_attempts', 'make_up_ticks', 'set_aside',
                   'trip_breaker', 'pause', 'reduce')),
  subject        text not null,
  state          text not null check (state in ('active', 'open', 'half_open')),
  cause          text not null,
  entry_rule     text not null,
  exit_rule      text not null,
  data           jsonb not null default '{}',
  opened_at      timestamptz not null,
  opened_in      uuid,
  since_at       timestamptz not null,
  next_at        timestamptz,
  closed_at      timestamptz,
  closed_in      uuid,
  closed_by      text,
  closed_reason  text
);
comment on column recoveries.data is 'The numbers it was opened with, and what its rule has to remember';
comment on column recoveries.since_at is 'Since when it is in its state';
create unique index recoveries_open on recoveries (procedure, subject) where closed_at is null;
create index on recoveries (closed_at);

create table failed_cycles (
  failed_cycle_id  bigint generated always as identity primary key,
  at               timestamptz not null default orchestrator_now(),
  replica_id       text not null,
  fault            text not null check (fault in ('store', 'plan')),
  took_on          jsonb not null,
  error            jsonb not null
);
comment on table failed_cycles is 'Cycles that were rolled back, for a week; fault store: the database failed, plan: what was read or decided';
create index on failed_cycles (at);

create table set_aside (
  set_aside_id  uuid primary key,
  kind          text not null check (kind in ('fact', 'run', 'task')),
  item          text not null,
  execution_id  uuid,
  task_id       uuid,
  fact          jsonb,
  error         jsonb not null,
  at            timestamptz not null default orchestrator_now(),
  put_back_at   timestamptz,
  put_back_by   text
);
comment on table set_aside is 'What no cycle could stomach: out of the way, lost never';
create unique index set_aside_now on set_aside (kind, item) where put_back_at is null;

alter table workflows add column paused_by text;
comment on column workflows.paused_by is 'Who paused it; only what the orchestrator has paused does it resume';

alter table holds add column expected_at timestamptz;
comment on column holds.expected_at is 'When the cause is looked at again, where that is known';

alter table replicas add column rss_mb double precision;
alter table replicas add column event_loop_delay_ms double precision;
alter table replicas add column connections jsonb;

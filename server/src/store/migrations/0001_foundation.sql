-- Foundation: facts, decisions and their history. Times are UTC; money is millionths of a US dollar.

-- The one clock of the database. Tests replace it; nothing else does.
create function orchestrator_now() returns timestamptz language sql volatile
  as 'select clock_timestamp()';

-- The row that a cycle locks: whoever holds it decides.
create table orchestrator (
  only_row      boolean primary key default true check (only_row),
  paused        boolean not null default false,
  paused_by     text,
  paused_at     timestamptz,
  token_secret  bytea not null,
  created_at    timestamptz not null default orchestrator_now()
);
comment on table orchestrator is 'One row; a cycle locks it FOR UPDATE, so only one decides at a time';
comment on column orchestrator.token_secret is 'Execution tokens are derived from it; replace it to void them all';

create table replicas (
  replica_id  text primary key,
  started_at  timestamptz not null,
  seen_at     timestamptz not null
);

create table workflows (
  workflow_type   text primary key,
  built_in        boolean not null default false,
  settings        jsonb not null,
  auth            jsonb,
  signing_secret  text,
  paused          boolean not null default false,
  updated_at      timestamptz not null default orchestrator_now(),
  updated_by      text not null
);

create table workflow_orchestration (
  execution_id         uuid primary key,
  parent_execution_id  uuid references workflow_orchestration,
  workflow_type        text not null,
  content_type         text,
  status               text not null check (status in ('IDLE', 'ANALYZING', 'DISPATCHING', 'MONITORING',
                         'ERROR_RECOVERY', 'COMPLETED', 'FAILED', 'CANCELLED')),
  priority             int not null,
  context              jsonb not null default '{}',
  input                jsonb,
  result               jsonb,
  error                jsonb,
  attempts             int not null default 0,
  recovery_actions     jsonb not null default '[]',
  task_count           int not null default 0,
  cost_micros          bigint not null default 0,
  due_at               timestamptz,
  created_at           timestamptz not null default orchestrator_now(),
  started_at           timestamptz,
  completed_at         timestamptz,
  check (parent_execution_id <> execution_id)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
comment on table workflow_orchestration is 'Executions: cycles of the orchestrator (master_orchestrator) and runs of sub-workflows';
comment on column workflow_orchestration.due_at is 'The next moment at which a cycle has to look at this execution';
create index on workflow_orchestration (due_at) where due_at is not null;
create index on workflow_orchestration (workflow_type) where status in ('DISPATCHING', 'MONITORING', 'ERROR_RECOVERY');
create index on workflow_orchestration (workflow_type, due_at) where status = 'ERROR_RECOVERY';
create index on workflow_orchestration (parent_execution_id, execution_id) where parent_execution_id is not null;
create index on workflow_orchestration (workflow_type, execution_id);
create index on workflow_orchestration (status, execution_id);

create table tasks (
  task_id          uuid primary key,
  workflow_type    text not null,
  content_type     text not null,
  priority         int not null check (priority between 0 and 100),
  status           text not null check (status in ('queued', 'scheduled', 'running', 'retrying', 'completed',
                     'dead_lettered', 'cancelled')),
  payload          jsonb not null,
  idempotency_key  text,
  request_hash     bytea not null,
  failures         int not null default 0,
  runs_alone       boolean not null default false,
  execution_id     uuid references workflow_orchestration,
  result           jsonb,
  replay_of        uuid,
  created_by       text not null,
  created_at       timestamptz not null default orchestrator_now(),
  due_at           timestamptz not null,
  aged_from        timestamptz not null,
  started_at       timestamptz,
  completed_at     timestamptz
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
comment on column tasks.aged_from is 'When it was first due; a retry keeps it, so waiting counts in full';
comment on column tasks.execution_id is 'The execution that carries it now';
comment on column tasks.runs_alone is 'After its first failed execution, so that it drags no neighbour along';
create unique index on tasks (idempotency_key) where idempotency_key is not null;
-- Only due tasks stand here: the oldest of each priority level of a lane is one index step away.
create index tasks_queued on tasks (workflow_type, content_type, priority, aged_from, task_id) where status = 'queued';
create index tasks_due on tasks (due_at) where status in ('scheduled', 'retrying') and execution_id is null;
create index on tasks (execution_id) where execution_id is not null;
create index on tasks (status, task_id);
create index on tasks (workflow_type, content_type, task_id);
create index on tasks (completed_at) where status = 'completed';

-- Which tasks an execution was given, kept after it has ended.
create table execution_tasks (
  execution_id  uuid not null references workflow_orchestration,
  task_id       uuid not null references tasks,
  primary key (execution_id, task_id)
);
create index on execution_tasks (task_id);

create table attempts (
  execution_id       uuid not null references workflow_orchestration,
  attempt            int not null,
  state              text not null,
  webhook_id         text not null,
  task_ids           uuid[] not null,
  timeout_ms         bigint not null,
  deliveries         int not null default 1,
  dispatched_at      timestamptz not null,
  deliver_at         timestamptz,
  snoozed_since      timestamptz,
  accepted_at        timestamptz,
  deadline_at        timestamptz not null,
  last_heartbeat_at  timestamptz,
  silent_at          timestamptz,
  progress           double precision,
  message            text,
  ended_at           timestamptz,
  error              jsonb,
  metrics            jsonb,
  primary key (execution_id, attempt)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
comment on column attempts.silent_at is 'The run promised a heartbeat before this moment; later it is lost';

create table task_errors (
  error_id      bigint generated always as identity primary key,
  task_id       uuid not null references tasks,
  execution_id  uuid not null references workflow_orchestration,
  attempt       int not null,
  at            timestamptz not null,
  code          text not null,
  message       text not null,
  stack_trace   text
);
create index on task_errors (task_id, error_id);

-- What outsiders report; a cycle folds it in and deletes it in the same transaction.
create table facts (
  fact_id       bigint generated always as identity primary key,
  kind          text not null,
  execution_id  uuid,
  attempt       int,
  task_id       uuid,
  data          jsonb not null default '{}',
  at            timestamptz not null default orchestrator_now()
) with (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);

-- The first claim of an attempt is the only one that counts; so is the first callback.
create table claims (
  execution_id  uuid not null,
  attempt       int not null,
  claimant      text not null,
  at            timestamptz not null default orchestrator_now(),
  primary key (execution_id, attempt)
);
create table callbacks (
  execution_id  uuid not null,
  attempt       int not null,
  digest        bytea not null,
  at            timestamptz not null default orchestrator_now(),
  primary key (execution_id, attempt)
);

create table checkpoints (
  task_id       uuid not null references tasks,
  key           text not null,
  value         jsonb not null,
  execution_id  uuid not null,
  attempt       int not null,
  saved_at      timestamptz not null default orchestrator_now(),
  primary key (task_id, key)
);

-- The audit log: every change of state, by whom, why, in which cycle.
create table transitions (
  transition_id  bigint generated always as identity primary key,
  at             timestamptz not null,
  entity         text not null check (entity in ('execution', 'task', 'orchestrator', 'workflow', 'policy')),
  entity_id      text not null,
  from_state     text,
  to_state       text not null,
  reason         text not null,
  actor          text not null,
  cycle_id       uuid,
  metadata       jsonb not null default '{}'
);
create index on transitions (entity_id, transition_id);

create table ticks (
  boundary    timestamptz primary key,
  ran_at      timestamptz not null,
  drift_ms    double precision not null,
  cycle_id    uuid not null,
  replica_id  text not null
);

create table cycles (
  cycle_id        uuid primary key,
  trigger         text not null check (trigger in ('tick', 'wake')),
  boundary        timestamptz,
  drift_ms        double precision,
  started_at      timestamptz not null,
  duration_ms     double precision not null,
  policy_version  int not null,
  dispatched      int not null,
  held            int not null,
  snapshot        jsonb not null,
  decisions       jsonb not null,
  reasons         jsonb not null,
  replica_id      text not null
);

-- Why a lane waited, and from when to when.
create table holds (
  hold_id        bigint generated always as identity primary key,
  workflow_type  text not null,
  content_type   text not null,
  reason         text not null,
  cause          text not null,
  cycle_id       uuid not null,
  from_at        timestamptz not null,
  until_at       timestamptz
);
create unique index on holds (workflow_type, content_type) where until_at is null;
create index on holds (workflow_type, content_type, from_at);

create table policy_versions (
  version     int primary key,
  policy      jsonb not null,
  comment     text,
  changed_by  text not null,
  changed_at  timestamptz not null default orchestrator_now()
);

create table api_keys (
  key_id       text primary key,
  name         text not null,
  role         text not null,
  secret_hash  bytea not null,
  created_at   timestamptz not null default orchestrator_now(),
  created_by   text not null,
  expires_at   timestamptz,
  revoked_at   timestamptz
);

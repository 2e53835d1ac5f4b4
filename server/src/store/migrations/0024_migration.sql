-- Workflows on their way out of n8n: where each stands, its original, who runs which moment of its schedule, and what was found.

create table n8n_originals (
  workflow_type  text not null,
  version        int not null,
  content        bytea not null,
  sha256         text not null,
  kept_at        timestamptz not null default orchestrator_now(),
  kept_by        text not null,
  primary key (workflow_type, version)
);
comment on table n8n_originals is 'What a rollback restores, byte for byte; an edit in n8n that was merged makes a new version';

create table n8n_migrations (
  workflow_type     text primary key,
  n8n_workflow_id   text not null unique,
  name              text not null,
  phase             int not null default 0 check (phase between 0 and 4),
  mode              text not null default 'full' check (mode in ('shadow', 'share', 'full')),
  share_percent     int not null default 100 check (share_percent between 0 and 100),
  phase_before      int not null default 0,
  state             text not null default 'steady' check (state in ('steady', 'changing', 'edited', 'rollback_pending',
                      'rolled_back', 'blocked')),
  cause             text,
  edits             jsonb not null default '[]',
  settings          jsonb not null,
  original_version  int not null default 1,
  wanted            jsonb not null,
  wanted_since      timestamptz not null default orchestrator_now(),
  deployed          jsonb not null,
  deployed_content  bytea not null,
  trial_id          text,
  baseline          jsonb,
  gates             jsonb not null default '[]',
  gates_at          timestamptz,
  observed_until    timestamptz not null,
  observed_at       timestamptz,
  retry_at          timestamptz,
  tries             int not null default 0,
  since_at          timestamptz not null default orchestrator_now(),
  created_at        timestamptz not null default orchestrator_now(),
  created_by        text not null,
  updated_at        timestamptz not null default orchestrator_now()
);
comment on column n8n_migrations.wanted is 'What n8n is to run: form, and what goes as before where it is by share';
comment on column n8n_migrations.deployed_content is 'As n8n gave it back when it was written or first read: what differs later was edited there';
comment on column n8n_migrations.observed_until is 'Moments of the schedule up to here have been matched with n8n''s executions';

create table n8n_runs (
  workflow_type     text not null,
  n8n_execution_id  text not null,
  mode              text not null,
  status            text not null,
  started_at        timestamptz not null,
  ended_at          timestamptz,
  primary key (workflow_type, n8n_execution_id)
);
create index on n8n_runs (workflow_type, started_at);
comment on table n8n_runs is 'Executions as n8n has told of them';

create table migration_turns (
  workflow_type     text not null,
  slot              timestamptz not null,
  taken_by          text not null check (taken_by in ('n8n', 'orchestrator', 'nobody')),
  way               text not null check (way in ('before', 'phase')),
  n8n_execution_id  text,
  repeats           text[] not null default '{}',
  task_id           uuid,
  outcome           text not null default 'open' check (outcome in ('open', 'succeeded', 'failed', 'cancelled', 'lost', 'skipped')),
  cause             text not null,
  decided_at        timestamptz not null default orchestrator_now(),
  started_at        timestamptz,
  ended_at          timestamptz,
  primary key (workflow_type, slot)
);
create index on migration_turns (workflow_type, slot) where outcome = 'open';
comment on table migration_turns is 'Who runs a moment of a schedule: taken once, by whoever was first';
comment on column migration_turns.repeats is 'Further executions of n8n for the same moment that ran the work';

create table migration_shadow (
  workflow_type  text not null,
  phase          int not null,
  slot           timestamptz not null,
  difference     text not null,
  data           jsonb not null,
  primary key (workflow_type, phase, slot)
);

create table migration_events (
  event_id       uuid primary key,
  workflow_type  text not null,
  at             timestamptz not null default orchestrator_now(),
  event          text not null,
  phase          int not null,
  mode           text not null,
  share_percent  int not null,
  actor          text not null,
  cause          text not null,
  gates          jsonb
);
create index on migration_events (workflow_type, event_id);

create table n8n_connection (
  only_row        boolean primary key default true check (only_row),
  holder          text,
  held_until      timestamptz,
  reachable       boolean,
  error           text,
  asked_at        timestamptz,
  webhook_secret  text,
  credentials     jsonb not null default '{}'
);
insert into n8n_connection default values;
comment on column n8n_connection.holder is 'The replica that looks after migrations until held_until';
comment on column n8n_connection.credentials is 'Ids, by their names, of credentials that were made in n8n; no secret of theirs';

create table n8n_stops (
  execution_id  uuid not null,
  attempt       int not null,
  stopped_at    timestamptz not null default orchestrator_now(),
  primary key (execution_id, attempt)
);
comment on table n8n_stops is 'Cancelled executions whose runs in n8n were stopped';

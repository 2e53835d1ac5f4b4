-- Experiments, strategies and opportunities: what the revenue optimizer tries, puts in force and recommends.

create table content.experiments (
  experiment_id  uuid primary key,
  key            text not null unique check (key ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
  hypothesis     text not null,
  surface        text not null,
  scope          jsonb not null,
  variants       jsonb not null,
  unit           text not null,
  metric         text not null check (metric in ('conversion', 'revenue_per_unit')),
  goal           text,
  guardrails     jsonb not null,
  outcomes       text not null check (outcomes in ('recorded', 'events')),
  rules          jsonb not null,
  salt           text not null,
  status         text not null default 'running' check (status in ('running', 'decided', 'stopped')),
  started_at     timestamptz not null default orchestrator_now(),
  started_by     text not null,
  ended_at       timestamptz,
  ended_by       text,
  decision       jsonb,
  result         jsonb,
  result_at      timestamptz,
  check ((status = 'running') = (ended_at is null))
);
comment on table content.experiments is 'Experiments as they were set up, which never changes, and how they ended';
comment on column content.experiments.surface is 'What is varied: of two running experiments only one may vary it for an article';
comment on column content.experiments.variants is 'key, weight, change; the first one is the control';
comment on column content.experiments.unit is 'What a variant is given to, in words: visitor, session, account';
comment on column content.experiments.outcomes is 'recorded: by the API; events: conversions and revenue of the visitor';
comment on column content.experiments.rules is 'The stop rules and their numbers, fixed at the start';
comment on column content.experiments.salt is 'With a unit''s id it gives the unit''s variant';
comment on column content.experiments.decision is 'outcome, variant, reason';
comment on column content.experiments.result is 'The numbers at the last look, and those at which it was decided';
create index experiments_running on content.experiments (surface) where status = 'running';

create table content.experiment_exposures (
  experiment_id  uuid not null references content.experiments on delete cascade,
  unit           text not null check (length(unit) between 1 and 200),
  variant        text not null,
  first_at       timestamptz not null,
  crossed        boolean not null default false,
  primary key (experiment_id, unit)
) with (fillfactor = 90);
comment on table content.experiment_exposures is 'Which variant a unit was shown first; once per unit, however often it is sent';
comment on column content.experiment_exposures.crossed is 'It was shown another one as well: it is counted nowhere';

create table content.experiment_outcomes (
  outcome_key    bytea primary key check (length(outcome_key) = 16),
  experiment_id  uuid not null references content.experiments on delete cascade,
  unit           text not null check (length(unit) between 1 and 200),
  goal           text not null,
  amount_micros  bigint not null default 0,
  at             timestamptz not null
);
comment on table content.experiment_outcomes is 'What units did; a row that comes again under the same id replaces what it said before';
comment on column content.experiment_outcomes.goal is 'conversion unless said otherwise; guardrails name theirs';
create index on content.experiment_outcomes (experiment_id, unit);

create table content.strategies (
  version        int primary key check (version > 0),
  kind           text not null check (kind in ('edit', 'roll_out', 'roll_back')),
  rules          jsonb not null,
  reason         text not null,
  experiment_id  uuid references content.experiments on delete set null,
  restores       int references content.strategies,
  in_force_at    timestamptz not null default orchestrator_now(),
  created_by     text not null,
  watch          jsonb,
  watch_over     boolean not null default false,
  effect         jsonb,
  effect_at      timestamptz
);
comment on table content.strategies is 'What is in force for which articles, version by version; the newest is in force, none is ever changed';
comment on column content.strategies.rules is 'scope, surface, change and the experiment that found it';
comment on column content.strategies.restores is 'The version whose rules it brought back';
comment on column content.strategies.watch is 'What is measured afterwards: metric, goal, scope, days, whether to roll back by rule; null: nothing';
comment on column content.strategies.effect is 'The effect as it was measured last';

create table content.opportunities (
  opportunity_id   uuid primary key,
  kind             text not null,
  subject          text not null,
  title            text not null,
  expected_micros  bigint not null,
  low_micros       bigint not null,
  high_micros      bigint not null,
  chance           float8 not null check (chance between 0 and 1),
  evidence         jsonb not null,
  action           jsonb not null,
  status           text not null default 'open' check (status in ('open', 'accepted', 'dismissed', 'expired')),
  found_at         timestamptz not null default orchestrator_now(),
  seen_at          timestamptz not null default orchestrator_now(),
  task_id          uuid not null,
  settled_at       timestamptz,
  settled_by       text,
  note             text,
  unique (kind, subject)
);
comment on table content.opportunities is 'Where revenue is to be had: one row each, brought up to date by every run';
comment on column content.opportunities.expected_micros is 'Millionths of a dollar in thirty days, with low and high the interval of what is believed';
comment on column content.opportunities.status is 'expired: the last run did not find it any more; dismissed ones are left alone for thirty days';
comment on column content.opportunities.task_id is 'The run that saw it last';
create index on content.opportunities (status, expected_micros desc, opportunity_id desc);
create index on content.opportunities (expected_micros desc, opportunity_id desc);

create table content.revenue_runs (
  task_id       uuid primary key,
  from_at       timestamptz not null,
  to_at         timestamptz not null,
  seen_through  timestamptz,
  summary       jsonb not null,
  finished_at   timestamptz not null default orchestrator_now()
);
comment on table content.revenue_runs is 'Finished runs of the revenue optimizer; says which events were seen';
comment on column content.revenue_runs.seen_through is 'When the newest event, conversion or payment was imported that it could see';
create index on content.revenue_runs (finished_at desc);

-- "Is there anything new?" is asked at every slot of a schedule: one step of an index each.
create index page_events_imported on content.page_events (imported_at);
create index conversions_imported on content.conversions (imported_at);
create index revenue_imported on content.revenue (imported_at);

-- Adjustments: what is recommended because a lane's tasks have become dearer, what somebody decided, and what came of it.
-- Looked after by whoever holds the row `adjust_watch`.

create table adjust_watch (
  only_row   boolean primary key default true check (only_row),
  looked_at  timestamptz
);
insert into adjust_watch default values;

create table adjustments (
  adjustment_id        uuid primary key,
  lane                 text not null,
  kind                 text not null check (kind in ('model', 'batch')),
  title                text not null,
  why                  text not null,
  changes              jsonb not null,
  expected             jsonb not null,
  state                text not null check (state in ('proposed', 'approved', 'measuring', 'kept', 'rolled_back', 'rejected',
                         'expired', 'superseded')),
  reason               text not null,
  baseline             jsonb not null,
  before               jsonb not null,
  after                jsonb,
  verdict              text check (verdict in ('helped', 'did_nothing', 'hurt')),
  proposed_at          timestamptz not null default orchestrator_now(),
  decided_at           timestamptz,
  decided_by           text,
  note                 text,
  measured_from        timestamptz,
  ended_at             timestamptz,
  policy_version       int,
  rolled_back_version  int
);
comment on column adjustments.changes is 'Fields of the policy: path, value before, value after; null where there is none';
comment on column adjustments.measured_from is 'The first full hour after the approval';
create unique index adjustments_proposed on adjustments (lane, kind) where state = 'proposed';
-- One change of a lane at a time: of two nobody would know which one helped.
create unique index adjustments_tried on adjustments (lane) where state in ('approved', 'measuring');
create index on adjustments (state, adjustment_id);
create index on adjustments (lane, kind, ended_at);

create table adjustment_steps (
  step_id        bigint generated always as identity primary key,
  adjustment_id  uuid not null references adjustments,
  at             timestamptz not null,
  to_state       text not null,
  reason         text not null,
  actor          text not null
);
create index on adjustment_steps (adjustment_id, step_id);

-- Targets: where each attempt was sent, and what is known of each target of a workflow.

alter table attempts add column target text;
comment on column attempts.target is 'The name of the target that it was sent to last; null before targets were recorded';
alter table attempts add column may_be_there boolean default false;
comment on column attempts.may_be_there is 'A posting of it may have been received without an answer, so that it stays at its target';

-- One row for each target that anything was sent to, so that a snapshot reads few rows at any throughput.
create table targets (
  workflow_type      text not null references workflows,
  name               text not null,
  unanswered_in_row  int not null check (unanswered_in_row >= 0),
  failed_in_row      int not null check (failed_in_row >= 0),
  last_success_at    timestamptz,
  last_failure_at    timestamptz,
  last_failure       text,
  rests_until        timestamptz,
  room               double precision not null check (room > 0 and room <= 1),
  received           bigint not null,
  received_lately    double precision not null,
  lately_at          timestamptz not null,
  primary key (workflow_type, name)
) with (fillfactor = 50, autovacuum_vacuum_threshold = 500);
comment on table targets is 'What is remembered of each target; outstanding runs are counted from attempts';
comment on column targets.unanswered_in_row is 'Postings that came to nothing since the last one that was answered';
comment on column targets.failed_in_row is 'Attempts that timed out or fell silent since the last callback';
comment on column targets.room is 'How much of its weight it takes at present';
comment on column targets.received_lately is 'Runs that were sent there, as of lately_at, each counted by half every ten minutes';

alter table recoveries drop constraint recoveries_procedure_check;
alter table recoveries add constraint recoveries_procedure_check check (procedure in
  ('rescue_expired_attempts', 'make_up_ticks', 'set_aside', 'trip_breaker', 'trip_target', 'pause', 'reduce'));

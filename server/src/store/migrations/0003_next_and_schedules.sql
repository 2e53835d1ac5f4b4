-- What follows a task, and what comes round by itself.

alter table tasks add column parent_task_id uuid references tasks;
alter table tasks add column chain_depth int not null default 0;
comment on column tasks.parent_task_id is 'The task whose end asked for this one';
comment on column tasks.chain_depth is 'How many follow-ups led here; a chain is cut at a bound';
create index on tasks (parent_task_id, task_id) where parent_task_id is not null;

create table schedules (
  workflow_type  text primary key,
  last_slot      timestamptz not null,
  last_decision  text,
  decided_at     timestamptz
);
comment on table schedules is 'For each workflow with a schedule the last slot that was decided, and how';
-- Those that are not over have no end, so one index finds them and the last end alike.
create index tasks_scheduled on tasks (workflow_type, completed_at) where created_by = 'schedule';

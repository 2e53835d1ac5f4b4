-- History: append-only logs lie in partitions of a UTC day each, what is over moves into archive files, and lists cost a page.

-- A row of an append-only log belongs to the day of its time. What was written so far stays where it is: it
-- becomes the first partition, up to the day after today. The default partition takes whatever has no other, so
-- that an insert never fails; store/partitions.ts makes the days ahead and drops those that are empty.

-- A partitioned table's key would have to hold its time; the sequence alone makes these ids unique.
alter table transitions alter column transition_id drop identity;
alter table transitions drop constraint transitions_pkey;
alter table transitions rename to transitions_before;
alter index transitions_entity_id_transition_id_idx rename to transitions_before_entity_idx;
create sequence transition_ids as bigint;
create table transitions (like transitions_before including defaults including constraints including comments)
  partition by range (at);
comment on table transitions is 'The audit log: every change of state, by whom, why, in which cycle; a partition per UTC day';
alter table transitions alter column transition_id set default nextval('transition_ids');
alter sequence transition_ids owned by transitions.transition_id;
create index transitions_entity on transitions (entity_id, transition_id);
-- Those of the house itself are archived by their day, those of tasks and executions with their owner.
create index transitions_of_the_house on transitions (at) where entity in ('orchestrator', 'workflow', 'policy');
create table transitions_default partition of transitions default;

-- The id of a cycle begins with its time (UUIDv7), so the days are ranges of ids and the key stays what it was.
alter table cycles rename to cycles_before;
alter index cycles_pkey rename to cycles_before_pkey;
create table cycles (like cycles_before including all) partition by range (cycle_id);
create index cycles_started on cycles (started_at);
-- Few among many: the list of ticks alone would have to look for them.
create index cycles_ticks on cycles (cycle_id) where trigger = 'tick';
create table cycles_default partition of cycles default;

do $$
declare
  bound timestamptz;
  first_id uuid;
begin
  if exists (select from transitions_before) then
    select date_trunc('day', greatest(max(at), orchestrator_now()) at time zone 'UTC') at time zone 'UTC' + interval '24 hours'
      into bound from transitions_before;
    perform setval('transition_ids', (select max(transition_id) from transitions_before));
    execute format('alter table transitions_before alter column transition_id set default nextval(%L)', 'transition_ids');
    execute format('alter table transitions_before rename to transitions_until%s', to_char(bound at time zone 'UTC', 'YYYYMMDD'));
    execute format('alter table transitions attach partition transitions_until%s for values from (minvalue) to (%L)',
                   to_char(bound at time zone 'UTC', 'YYYYMMDD'), bound);
  else
    drop table transitions_before;
  end if;
  if exists (select from cycles_before) then
    select date_trunc('day', greatest(max(started_at), orchestrator_now(), clock_timestamp()) at time zone 'UTC') at time zone 'UTC'
             + interval '24 hours'
      into bound from cycles_before;
    first_id := (lpad(to_hex((extract(epoch from bound) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid;
    -- An id that bears no time, or a later one.
    with strangers as (delete from cycles_before where cycle_id >= first_id returning *)
    insert into cycles_default select * from strangers;
    execute format('alter table cycles_before rename to cycles_until%s', to_char(bound at time zone 'UTC', 'YYYYMMDD'));
    execute format('alter table cycles attach partition cycles_until%s for values from (minvalue) to (%L)',
                   to_char(bound at time zone 'UTC', 'YYYYMMDD'), first_id);
  else
    drop table cycles_before;
  end if;
end $$;

-- What belongs to an execution and what belongs to a task move on different days: a link between the two may
-- outlive one of its ends. Those within a unit stay.
alter table tasks drop constraint tasks_parent_task_id_fkey;
alter table execution_tasks drop constraint execution_tasks_task_id_fkey;
alter table task_errors drop constraint task_errors_execution_id_fkey;
comment on column tasks.parent_task_id is 'The task whose end asked for this one; it may be archived already';

-- Lists show the newest first, by the time of the database and, within one moment, by id. One index serves every
-- combination of filters: there are few statuses, types and lanes, and each of them is one range of it.
drop index tasks_status_task_id_idx;
drop index tasks_workflow_type_content_type_task_id_idx;
create index tasks_newest on tasks (created_at, task_id);
create index tasks_dead_newest on tasks (task_id) where status = 'dead_lettered';
create index tasks_listed on tasks (status, workflow_type, content_type, created_at, task_id);
drop index workflow_orchestration_status_execution_id_idx;
drop index workflow_orchestration_workflow_type_execution_id_idx;
drop index workflow_orchestration_parent_execution_id_execution_id_idx;
create index executions_newest on workflow_orchestration (created_at, execution_id);
create index executions_listed on workflow_orchestration (status, workflow_type, created_at, execution_id);
create index executions_children on workflow_orchestration (parent_execution_id, created_at, execution_id)
  where parent_execution_id is not null;

-- What has ended, by when it did.
drop index tasks_completed_at_idx;
create index tasks_ended on tasks (completed_at) where completed_at is not null;
create index executions_ended on workflow_orchestration (completed_at)
  where parent_execution_id is null and completed_at is not null;
create index holds_ended on holds (until_at) where until_at is not null;

create table archives (
  archive_id   uuid primary key,
  day          date not null,
  state        text not null check (state in ('writing', 'archived', 'restored')),
  place        text not null,
  files        jsonb not null default '[]',
  row_count    bigint not null default 0,
  bytes        bigint not null default 0,
  began_at     timestamptz not null default orchestrator_now(),
  archived_at  timestamptz,
  restored_at  timestamptz,
  keep_until   timestamptz
);
create index on archives (day, archive_id);
comment on table archives is 'Parts of the history that lie in files: which day, how many rows, which hashes';
comment on column archives.place is 'The data directory that holds the files';
comment on column archives.keep_until is 'Restored rows are not archived again before this moment';

-- One archiver at a time: whoever has the newest fence, as long as its lease lasts.
create table archiver (
  only_row     boolean primary key default true check (only_row),
  fence        bigint not null default 0,
  lease_until  timestamptz
);
insert into archiver default values;

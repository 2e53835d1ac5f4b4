-- Where a task stands in a trace: kept with it, since its life crosses processes and hours.

alter table tasks add column traceparent text
  check (traceparent ~ '^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$');
comment on column tasks.traceparent is 'The span (W3C Trace Context) under which it was asked for; null: it begins a trace of its own, whose id is the task''s';

-- The span of a task's whole life, as contract/src/trace.ts has it: what follows a task lies below it.
create function trace_of_task(uuid) returns text language sql stable as
  $$ select coalesce(left(traceparent, 36), '00-' || replace(task_id::text, '-', '') || '-')
            || right(replace(task_id::text, '-', ''), 16) || coalesce(right(traceparent, 3), '-01')
       from tasks where task_id = $1 $$;

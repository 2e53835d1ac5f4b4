-- How much was done, how fast and for how much: counted by minute, hour, day and ever, for charts and metrics. A minute is
-- counted once, some seconds after its end, by whoever holds the row `roll_up_progress`.

create table roll_up_progress (
  only_row      boolean primary key default true check (only_row),
  rolled_until  timestamptz
);
comment on column roll_up_progress.rolled_until is 'What ended before this moment is counted; null before the first time';
insert into roll_up_progress default values;

create table roll_ups (
  step             text not null check (step in ('minute', 'hour', 'day', 'ever')),
  at               timestamptz not null,
  workflow_type    text not null,
  content_type     text not null,
  completed        bigint not null default 0,
  dead_lettered    bigint not null default 0,
  cancelled        bigint not null default 0,
  attempts_ended   bigint not null default 0,
  attempts_failed  bigint not null default 0,
  cost_micros      bigint not null default 0,
  wait_ms          bigint not null default 0,
  work_ms          bigint not null default 0,
  total_ms         bigint not null default 0,
  wait_buckets     bigint[] not null,
  work_buckets     bigint[] not null,
  total_buckets    bigint[] not null,
  primary key (step, at, workflow_type, content_type)
) with (fillfactor = 70);
comment on table roll_ups is 'Counts of what ended in a step of time, by lane; without a row nothing did';
comment on column roll_ups.content_type is 'Empty for what is known of the workflow as a whole: attempts, and calls of no lane';
comment on column roll_ups.attempts_ended is 'In slices of 15 s, so a minute may hold some of its neighbour';
comment on column roll_ups.wait_ms is 'From when a completed task was first due to its first start, in sum; work: from there on; total: both';
comment on column roll_ups.wait_buckets is 'Completed tasks by wait: below each bound of store/roll-ups.ts, and above the last';

create function add_counts(a bigint[], b bigint[]) returns bigint[] language sql immutable as
  $$ select array(select coalesce(a[i], 0) + coalesce(b[i], 0)
                    from generate_series(1, greatest(cardinality(a), cardinality(b))) i order by i) $$;

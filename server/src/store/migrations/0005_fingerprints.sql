-- Errors that are the same in all but their numbers have one fingerprint; and which lanes were left waiting.

alter table task_errors add column fingerprint text not null default 'unknown';
comment on column task_errors.fingerprint is 'The same for errors of one kind (core/fingerprint.ts); unknown for errors older than fingerprints';

-- Dead letters are listed, grouped and redriven by their last error.
alter table tasks add column error_fingerprint text;
comment on column tasks.error_fingerprint is 'Of its last error; null without any, and for errors older than fingerprints';
create index tasks_dead on tasks (coalesce(error_fingerprint, 'unknown'), task_id) where status = 'dead_lettered';

alter table lanes add column waits boolean not null default false;
comment on column lanes.waits is 'The last cycle left tasks of it waiting: it keeps its place, while one that was idle begins at the system''s time';

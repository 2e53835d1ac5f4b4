-- Topics: what waits to be written about. A slot of a schedule makes tasks of them.

create table content.topics (
  topic_id      uuid primary key,
  content_type  text not null,
  priority      int not null check (priority between 0 and 100),
  payload       jsonb not null,
  key           text unique,
  added_at      timestamptz not null default orchestrator_now(),
  added_by      text not null,
  ranks_from    timestamptz not null,
  taken_at      timestamptz,
  task_id       uuid
);
comment on table content.topics is 'Topics that wait (taken_at is null), and those that became tasks';
comment on column content.topics.key is 'The same key is the same topic, however often it is sent';
comment on column content.topics.ranks_from is 'added_at, ten minutes earlier for each point of priority: the order is that of waiting tasks';
comment on column content.topics.task_id is 'The task that was made of it';
-- Those that wait, in the order in which they are taken.
create index topics_waiting on content.topics (ranks_from, topic_id) where taken_at is null;
create index topics_taken on content.topics (topic_id) where taken_at is not null;

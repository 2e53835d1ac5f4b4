-- What the intelligence engine was asked about an alert, and what it found: one task for each alert, enqueued in the
-- transaction in which it began to fire.

create table alert_investigations (
  alert_id  uuid primary key references alerts on delete cascade,
  task_id   uuid not null,
  asked_at  timestamptz not null,
  due_at    timestamptz not null,
  ended_at  timestamptz,
  finding   jsonb,
  error     text
);
comment on column alert_investigations.finding is 'Headline, words and confidence, as the task reported them';
create index alert_investigations_open on alert_investigations (asked_at) where ended_at is null;

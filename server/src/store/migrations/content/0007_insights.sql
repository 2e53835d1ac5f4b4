-- Insights: what readers' events add up to by day, what was found in it and in the house's own days (`roll_ups`), and the
-- reports about it. Roll-ups can be computed anew from the rows they were computed from, as long as those are kept.

create table content.daily_rollups (
  day            date not null,
  measure        text not null check (measure in ('events', 'conversions', 'revenue')),
  article_id     uuid,
  channel        text not null,
  kind           text,
  offer          text,
  events         bigint not null default 0,
  visitors       bigint not null default 0,
  engaged_ms     bigint not null default 0,
  conversions    bigint not null default 0,
  amount_micros  bigint not null default 0,
  unique nulls not distinct (day, measure, article_id, channel, kind, offer)
) with (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);
comment on table content.daily_rollups is 'Each UTC day by article, channel, kind and offer: the finest grain that is kept when raw rows are gone';
comment on column content.daily_rollups.article_id is 'Null: no article of ours. The article may be gone by now';
comment on column content.daily_rollups.visitors is 'Different visitors of this cell: sums over cells count a visitor once in each';
create index on content.daily_rollups (article_id, day) where article_id is not null;

create table content.daily_totals (
  dimension      text not null check (dimension in ('all', 'channel', 'article', 'offer', 'conversion')),
  day            date not null,
  member         text not null,
  views          bigint not null default 0,
  visitors       bigint not null default 0,
  engaged_ms     bigint not null default 0,
  conversions    bigint not null default 0,
  amount_micros  bigint not null default 0,
  primary key (dimension, day, member)
) with (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);
comment on table content.daily_totals is 'Each UTC day as a whole and by one dimension at a time, visitors told apart within each; a day without a row is unknown, not zero';
comment on column content.daily_totals.member is 'Of the dimension: a channel, an article''s id, an offer, a kind of conversion; empty: none';
create index on content.daily_totals (dimension, member, day);

-- One row: when everything was last looked at.
create table content.intelligence (
  only_row     boolean primary key default true check (only_row),
  analysed_at  timestamptz
);
insert into content.intelligence default values;

create table content.insights (
  insight_id   uuid primary key,
  key          text not null unique,
  kind         text not null check (kind in ('trend', 'change', 'anomaly', 'forecast', 'season', 'gap', 'investigation')),
  metric       text not null,
  subject      text not null,
  from_day     date not null,
  to_day       date not null,
  importance   double precision not null check (importance between 0 and 1),
  headline     text not null,
  words        text not null,
  numbers      jsonb not null,
  evidence     jsonb not null,
  told_by      text not null,
  task_id      uuid not null,
  found_at     timestamptz not null default orchestrator_now(),
  updated_at   timestamptz not null default orchestrator_now(),
  ended_at     timestamptz
);
comment on table content.insights is 'What was found in the numbers, with the numbers; found again it is brought up to date, not found any more it is ended';
comment on column content.insights.key is 'The same finding has the same key, however often it is found';
comment on column content.insights.to_day is 'The first day behind its period';
comment on column content.insights.told_by is 'deterministic, or the model whose words they are';
create index insights_current on content.insights (importance desc, insight_id desc) where ended_at is null;
create index on content.insights (importance desc, insight_id desc);

create table content.reports (
  report_id     uuid primary key,
  task_id       uuid not null unique,
  kind          text not null check (kind in ('day', 'week', 'month')),
  from_day      date not null,
  to_day        date not null,
  headline      text not null,
  told_by       text not null,
  document      text not null,
  html          text not null,
  markdown      text not null,
  hashes        jsonb not null,
  created_at    timestamptz not null default orchestrator_now()
);
comment on table content.reports is 'Executive reports as they were sent, in three forms; a report is never changed';
comment on column content.reports.hashes is 'SHA-256 of each form as it is served: html, markdown, json';
comment on column content.reports.document is 'The JSON form, byte by byte';
create index on content.reports (kind, from_day desc);
create index on content.reports (report_id desc);

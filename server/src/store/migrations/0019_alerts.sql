-- Alerts: what fires and what became of it, silences, channels, and the messages that go to them. Judged by whoever holds
-- the row `alert_watch`, once an interval; a message is written in the transaction of the change that it tells.

create table alert_watch (
  only_row      boolean primary key default true check (only_row),
  evaluated_at  timestamptz,
  looks         jsonb not null default '{}',
  daily_at      timestamptz,
  weekly_at     timestamptz
);
comment on column alert_watch.looks is 'What each rule saw when it was last judged';
comment on column alert_watch.daily_at is 'The last moment at which a daily summary was due; null before the first start';
insert into alert_watch default values;

create table alerts (
  alert_id         uuid primary key,
  rule             text not null,
  labels           jsonb not null,
  labels_key       text not null,
  severity         text not null check (severity in ('info', 'warning', 'critical')),
  state            text not null check (state in ('pending', 'firing', 'resolved')),
  value            double precision,
  words            text not null,
  summary          text,
  channels         text[],
  started_at       timestamptz not null,
  fired_at         timestamptz,
  clear_since      timestamptz,
  no_data_since    timestamptz,
  resolved_at      timestamptz,
  resolved_reason  text,
  acknowledged_at  timestamptz,
  acknowledged_by  text,
  note             text,
  told_at          timestamptz,
  told_channels    text[] not null default '{}',
  escalations      int not null default 0
) with (fillfactor = 70);
comment on column alerts.labels_key is 'The labels as one text: with the rule they name the alert';
comment on column alerts.channels is 'Whom the rule names; null: every channel that takes the severity';
comment on column alerts.told_channels is 'Who was, or will be, told that it fires, and is told that it is over';
comment on column alerts.clear_since is 'Since when its condition is false';
create unique index alerts_open on alerts (rule, labels_key) where state <> 'resolved';
create index on alerts (state, alert_id);
create index on alerts (rule, alert_id);
create index on alerts (resolved_at) where state = 'resolved';
create index on alerts (fired_at) where fired_at is not null;

create table alert_transitions (
  transition_id  bigint generated always as identity primary key,
  alert_id       uuid not null references alerts on delete cascade,
  at             timestamptz not null,
  to_state       text not null,
  reason         text not null,
  actor          text not null,
  value          double precision
);
create index on alert_transitions (alert_id, transition_id);

create table alert_silences (
  silence_id  uuid primary key,
  match       jsonb not null,
  starts_at   timestamptz not null,
  ends_at     timestamptz not null,
  comment     text not null,
  created_at  timestamptz not null default orchestrator_now(),
  created_by  text not null,
  ended_by    text,
  check (ends_at >= starts_at)
);
create index on alert_silences (ends_at);

create table alert_channels (
  name               text primary key,
  kind               text not null check (kind in ('slack', 'email', 'webhook', 'pagerduty')),
  settings           jsonb not null default '{}',
  secret             text,
  enabled            boolean not null default true,
  alerts             boolean not null default true,
  least_severity     text not null default 'info' check (least_severity in ('info', 'warning', 'critical')),
  daily_summary      boolean not null default false,
  weekly_report      boolean not null default false,
  origin             text not null default 'api' check (origin in ('api', 'environment')),
  failures_in_row    int not null default 0,
  failing_since      timestamptz,
  last_error         text,
  last_delivered_at  timestamptz,
  next_try_at        timestamptz,
  updated_at         timestamptz not null default orchestrator_now(),
  updated_by         text not null
);
comment on column alert_channels.next_try_at is 'Nothing is tried before: it grows with each failure in a row';

create table alert_digests (
  digest_id  uuid primary key,
  kind       text not null check (kind in ('daily_summary', 'weekly_report')),
  from_at    timestamptz not null,
  to_at      timestamptz not null,
  title      text not null,
  lines      jsonb not null,
  figures    jsonb not null,
  unique (kind, to_at)
);

create table alert_notifications (
  notification_id  uuid primary key,
  channel          text not null references alert_channels on delete cascade,
  kind             text not null check (kind in ('firing', 'reminder', 'escalation', 'resolved', 'daily_summary',
                     'weekly_report')),
  group_key        text not null,
  alert_ids        uuid[] not null default '{}',
  digest_id        uuid references alert_digests on delete cascade,
  state            text not null default 'waiting' check (state in ('waiting', 'delivered', 'failed', 'dropped')),
  created_at       timestamptz not null,
  due_at           timestamptz not null,
  taken_until      timestamptz,
  tries            int not null default 0,
  last_error       text,
  delivered_at     timestamptz
) with (fillfactor = 70);
comment on table alert_notifications is 'Messages to channels: delivered at least once, in their order, each with its id as the key by which a receiver drops repeats';
comment on column alert_notifications.taken_until is 'Somebody is delivering it; later another one may';
create index alert_notifications_waiting on alert_notifications (channel, notification_id) where state = 'waiting';
create index on alert_notifications using gin (alert_ids);
create index on alert_notifications (created_at);

create aggregate sum_counts (bigint[]) (sfunc = add_counts, stype = bigint[], initcond = '{}');

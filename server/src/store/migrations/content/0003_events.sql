-- What readers did with the articles, and what it earned: imported (POST /api/v1/content/{events,conversions,revenue},
-- orchestrator import), read by the revenue optimizer and the intelligence engine. A row is one event or many of one kind
-- (an export of daily counts); a row that comes again under the same key replaces what it said before.

create table content.page_events (
  event_key     bytea primary key check (length(event_key) = 16),
  at            timestamptz not null,
  page          text not null check (length(page) between 1 and 2000),
  article_id    uuid references content.articles on delete set null,
  kind          text not null,
  channel       text not null,
  visitor       text,
  events        bigint not null check (events >= 0),
  visitors      bigint check (visitors >= 0),
  engaged_ms    bigint check (engaged_ms >= 0),
  source        text not null,
  imported_at   timestamptz not null default orchestrator_now()
);
comment on table content.page_events is 'Views, clicks and the like of pages, one by one or counted';
comment on column content.page_events.event_key is 'Of its id in the source, else of all that tells it from others: importing twice adds nothing';
comment on column content.page_events.page is 'The path of the page, without host and query';
comment on column content.page_events.article_id is 'The article that stands there, if it is one of ours';
comment on column content.page_events.visitor is 'A pseudonym of the source, for funnels; null where the row counts many';
comment on column content.page_events.visitors is 'Different visitors among the events, where the source says so';
create index on content.page_events (at);
create index on content.page_events (article_id, at) where article_id is not null;
create index on content.page_events (visitor, at) where visitor is not null;

create table content.conversions (
  conversion_key  bytea primary key check (length(conversion_key) = 16),
  at              timestamptz not null,
  page            text check (length(page) between 1 and 2000),
  article_id      uuid references content.articles on delete set null,
  kind            text not null,
  channel         text not null,
  offer           text,
  visitor         text,
  conversions     bigint not null check (conversions >= 0),
  source          text not null,
  imported_at     timestamptz not null default orchestrator_now()
);
comment on table content.conversions is 'What readers were wanted to do, and did: sign-ups, leads, sales';
comment on column content.conversions.offer is 'What was taken up: a product, a newsletter, an advertiser''s campaign';
create index on content.conversions (at);
create index on content.conversions (article_id, at) where article_id is not null;
create index on content.conversions (visitor, at) where visitor is not null;

create table content.revenue (
  revenue_key    bytea primary key check (length(revenue_key) = 16),
  at             timestamptz not null,
  page           text check (length(page) between 1 and 2000),
  article_id     uuid references content.articles on delete set null,
  channel        text not null,
  offer          text,
  visitor        text,
  amount_micros  bigint not null,
  source         text not null,
  imported_at    timestamptz not null default orchestrator_now()
);
comment on table content.revenue is 'Money that came in, in millionths of a US dollar; less than zero is a refund';
create index on content.revenue (at);
create index on content.revenue (article_id, at) where article_id is not null;

-- Days of which something was imported since they were last rolled up. The importer marks a day in the transaction
-- that brings its rows; who rolls up takes the mark away first and reads the rows after it, so no late row is missed.
create table content.stale_days (
  day        date primary key,
  marked_at  timestamptz not null default orchestrator_now()
);
comment on table content.stale_days is 'UTC days with rows that no roll-up has seen';

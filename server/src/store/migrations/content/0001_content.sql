-- Content: what the pipeline has published, and the people, places and things it speaks of. This schema
-- refers to no table outside of it, so that it can move to a server of its own.

create schema content;
comment on schema content is 'Published articles and their entities; written by the content pipeline, read by the website';

create table content.entities (
  entity_id   uuid primary key default gen_random_uuid(),
  name        text not null check (name <> ''),
  created_at  timestamptz not null default orchestrator_now()
);
comment on table content.entities is 'People, places, organisations, things: one row each, however it is written';
comment on column content.entities.name is 'The name it is shown by: the first one that was met';

create table content.entity_aliases (
  alias       text primary key check (alias <> ''),
  entity_id   uuid not null references content.entities on delete cascade,
  match_keys  text[] not null,
  created_at  timestamptz not null default orchestrator_now()
);
comment on table content.entity_aliases is 'Every normalised name and the one entity that it means; the primary key decides races';
comment on column content.entity_aliases.match_keys is 'First letters of its words: only names that share one are compared';
create index on content.entity_aliases (entity_id);
create index on content.entity_aliases using gin (match_keys);

create table content.articles (
  article_id    uuid primary key default gen_random_uuid(),
  task_id       uuid not null unique,
  execution_id  uuid not null,
  slug          text not null unique check (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' and length(slug) <= 100),
  title         text not null,
  summary       text not null,
  html          text not null,
  markdown      text not null,
  language      text not null,
  author        text,
  content_type  text not null,
  keywords      text[] not null,
  generator     text not null,
  quality       jsonb not null,
  words         int not null check (words >= 0),
  sources       jsonb not null,
  json_ld       jsonb not null,
  published_at  timestamptz not null default orchestrator_now(),
  updated_at    timestamptz not null default orchestrator_now()
);
comment on table content.articles is 'One row for each task that has published; the same task again updates it and keeps its slug';
comment on column content.articles.task_id is 'The task that asked for it; unique, so that a task publishes once however often it runs';
comment on column content.articles.execution_id is 'The execution that wrote this version';
comment on column content.articles.html is 'Sanitised when it was published; shown as it is';
comment on column content.articles.generator is 'offline-extractive, or provider and model';
comment on column content.articles.quality is 'score (0-100), its parts, and the Flesch reading ease';
create index on content.articles (published_at desc, article_id desc);

create table content.article_entities (
  article_id  uuid not null references content.articles on delete cascade,
  entity_id   uuid not null references content.entities on delete cascade,
  position    int not null,
  primary key (article_id, entity_id)
);
comment on table content.article_entities is 'What each article speaks of; position 0 is the most prominent';
create index on content.article_entities (entity_id, article_id);

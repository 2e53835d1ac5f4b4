-- The pipeline's editors' desk: names and articles that wait for a person, what was published where, what articles are
-- compared by.

-- Likeness of names. A server that does not let this role create the extension does without: names are then found by their
-- first letters alone (entity_aliases.match_keys), and the doctor says so.
do $$
begin
  create extension if not exists pg_trgm;
exception when others then
  raise notice 'pg_trgm is not there and could not be created: %', sqlerrm;
end
$$;
do $$
begin
  create index entity_aliases_likeness on content.entity_aliases using gin (alias gin_trgm_ops);
exception when undefined_object then
  raise notice 'without pg_trgm names are found by their first letters alone';
end
$$;

create table content.entity_merges (
  entity_id       uuid primary key,
  into_entity_id  uuid not null references content.entities on delete cascade,
  name            text not null,
  aliases         text[] not null,
  merged_at       timestamptz not null default orchestrator_now(),
  merged_by       text not null
);
comment on table content.entity_merges is 'Entities that were another one: whoever still has the old id is led to the new one';
comment on column content.entity_merges.into_entity_id is 'Never one that was merged itself: chains are shortened when they would arise';
comment on column content.entity_merges.aliases is 'Those that moved with it, for who wants to part them again';
create index on content.entity_merges (into_entity_id);

create table content.entity_reviews (
  review_id    uuid primary key,
  alias        text not null unique,
  name         text not null,
  match_keys   text[] not null,
  candidates   jsonb not null,
  why          text not null,
  task_id      uuid not null,
  status       text not null default 'pending' check (status in ('pending', 'merged', 'separate')),
  entity_id    uuid,
  created_at   timestamptz not null default orchestrator_now(),
  decided_at   timestamptz,
  decided_by   text,
  note         text,
  check ((status = 'pending') = (decided_at is null))
);
comment on table content.entity_reviews is 'Names of which neither rule nor model can tell what they mean; until a person does, no entity is made of them';
comment on column content.entity_reviews.alias is 'Normalised; unique, so that a name is asked about once';
comment on column content.entity_reviews.candidates is 'Entities that it may mean, the likeliest first: entity_id, name, similarity';
comment on column content.entity_reviews.task_id is 'The task that met it first';
create index on content.entity_reviews (status, review_id);

create table content.unresolved_names (
  article_id  uuid not null references content.articles on delete cascade,
  alias       text not null,
  position    int not null,
  primary key (article_id, alias)
);
comment on table content.unresolved_names is 'Names of articles that wait for a person; they become article_entities when that is decided';
create index on content.unresolved_names (alias);

create table content.article_fingerprints (
  article_id  uuid primary key references content.articles on delete cascade,
  signature   int[] not null,
  bands       int[] not null
);
comment on table content.article_fingerprints is 'MinHash of each article''s runs of five words; articles that share a band are compared';
create index on content.article_fingerprints using gin (bands);

alter table content.articles add column canonical_url text;
comment on column content.articles.canonical_url is 'Where readers and search engines are to find it, if that is not our own page';

create table content.reviews (
  review_id     uuid primary key,
  task_id       uuid not null unique,
  execution_id  uuid not null,
  status        text not null default 'pending' check (status in ('pending', 'approved', 'rejected')),
  title         text not null,
  slug          text not null,
  score         float8 not null,
  reasons       text[] not null,
  article       jsonb not null,
  publishers    text[] not null,
  created_at    timestamptz not null default orchestrator_now(),
  decided_at    timestamptz,
  decided_by    text,
  note          text,
  publish_task_id  uuid,
  check ((status = 'pending') = (decided_at is null))
);
comment on table content.reviews is 'Articles that are not published until a person approves them; one for each task';
comment on column content.reviews.slug is 'The one that it will ask for';
comment on column content.reviews.article is 'All that is published if it is approved';
comment on column content.reviews.publish_task_id is 'The task that publishes it, made by the approval';
create index on content.reviews (status, review_id);

create table content.publishers (
  name        text primary key check (name ~ '^[a-z0-9][a-z0-9_-]{0,62}$' and name <> 'site'),
  kind        text not null check (kind in ('wordpress', 'webhook', 'markdown')),
  settings    jsonb not null,
  secret      text,
  enabled     boolean not null default true,
  updated_at  timestamptz not null default orchestrator_now(),
  updated_by  text not null
);
comment on table content.publishers is 'Where articles go besides our own site, which is called site';
comment on column content.publishers.secret is 'Application password or signing secret: written by the API, shown by nothing';

create table content.publications (
  article_id    uuid not null references content.articles on delete cascade,
  publisher     text not null,
  status        text not null check (status in ('published', 'failed')),
  external_id   text,
  url           text,
  error         text,
  tries         int not null default 1,
  published_at  timestamptz,
  updated_at    timestamptz not null default orchestrator_now(),
  primary key (article_id, publisher)
);
comment on table content.publications is 'What became of each article at each publisher; a failure keeps what an earlier success left';
comment on column content.publications.external_id is 'The publisher''s own name for it: the next version goes to the same post';

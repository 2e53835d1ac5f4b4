-- Categories; and articles that were not written here, but imported from where they stood before.

create table content.categories (
  category_id  uuid primary key default gen_random_uuid(),
  slug         text not null unique check (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' and length(slug) <= 100),
  name         text not null check (name <> ''),
  description  text not null default '',
  parent_id    uuid references content.categories on delete restrict,
  created_at   timestamptz not null default orchestrator_now(),
  updated_at   timestamptz not null default orchestrator_now()
);
comment on table content.categories is 'The tree that articles are sorted into; readers see it as sections of the site';
comment on column content.categories.parent_id is 'Null at the top; the importer lets no circle arise';
create index on content.categories (parent_id);

alter table content.articles
  alter column task_id drop not null,
  alter column execution_id drop not null,
  add column category_id uuid references content.categories on delete set null,
  add column source text not null default 'pipeline' check (length(source) between 1 and 63),
  add column source_key bytea unique check (length(source_key) = 16),
  add column source_hash bytea check (length(source_hash) = 16),
  add check ((task_id is null) = (source_key is not null)),
  add check ((task_id is null) = (execution_id is null)),
  add check ((task_id is null) = (source <> 'pipeline'));
comment on table content.articles is 'One row for each task that has published, which the same task updates; and one for each article of another source';
comment on column content.articles.task_id is 'The task that asked for it; unique, so that a task publishes once however often it runs. Null: imported';
comment on column content.articles.source is 'pipeline, or where it was imported from';
comment on column content.articles.source_key is 'Of its id in that source: importing twice adds nothing';
comment on column content.articles.source_hash is 'Of what was imported: the same again changes nothing, also where approved changes stand in the article';
create index articles_by_category on content.articles (category_id, published_at desc, article_id desc)
  where category_id is not null;

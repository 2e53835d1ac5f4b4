-- What the SEO monitor found, recommends and has changed; and what it remembers of other people's sites.

alter table content.articles
  add check (length(canonical_url) between 1 and 2000),
  add column audit_due_at timestamptz not null default orchestrator_now() + interval '1 hour',
  add column printed_at timestamptz;
comment on column content.articles.canonical_url is 'Where readers and search engines are sent instead: an address, or a path of the own site; null for its own';
comment on column content.articles.audit_due_at is 'When a schedule audits it next; an hour after it was published, since a follow-up mostly does that at once';
comment on column content.articles.printed_at is 'When its prints were taken; null: they are missing or of an older text';
create index articles_audit_due on content.articles (audit_due_at, article_id);
create index articles_unprinted on content.articles (article_id) where printed_at is null;

create function content.article_changed() returns trigger language plpgsql as $$
begin
  if (new.title, new.summary, new.html, new.json_ld, new.canonical_url)
     is distinct from (old.title, old.summary, old.html, old.json_ld, old.canonical_url) then
    new.audit_due_at := least(new.audit_due_at, orchestrator_now());
  end if;
  if (new.title, new.summary, new.html, new.json_ld, new.keywords, new.language)
     is distinct from (old.title, old.summary, old.html, old.json_ld, old.keywords, old.language) then
    new.printed_at := null;
  end if;
  return new;
end $$;
comment on function content.article_changed is 'An article that was changed is due for an audit and for new prints, whoever changed it';
create trigger article_changed before update on content.articles
  for each row execute function content.article_changed();

create table content.audits (
  audit_id        uuid primary key,
  task_id         uuid not null unique,
  execution_id    uuid not null,
  article_id      uuid references content.articles on delete cascade,
  url             text not null check (length(url) between 1 and 2000),
  audited_at      timestamptz not null default orchestrator_now(),
  score           int not null check (score between 0 and 100),
  previous_score  int check (previous_score between 0 and 100),
  parts           jsonb not null,
  findings        jsonb not null,
  measures        jsonb not null,
  recommendations int not null
);
comment on table content.audits is 'One row for each task that has audited a page; a page''s rows are its history';
comment on column content.audits.task_id is 'Unique: a task audits once however often it runs';
comment on column content.audits.article_id is 'Null for a page that is no own article';
create index on content.audits (audited_at desc, audit_id desc);
create index on content.audits (article_id, audited_at desc, audit_id desc) where article_id is not null;
create index on content.audits (md5(url), audited_at desc, audit_id desc);

create table content.recommendations (
  recommendation_id  uuid primary key default gen_random_uuid(),
  audit_id           uuid not null references content.audits on delete cascade,
  article_id         uuid references content.articles on delete cascade,
  url                text not null,
  rule               text not null,
  title              text not null,
  detail             text not null,
  gain_tenths        int not null,
  changes            jsonb not null,
  applicable         boolean not null,
  basis              text not null,
  fingerprint        bytea not null check (length(fingerprint) = 16),
  status             text not null check (status in ('open', 'applied', 'rejected', 'rolled_back', 'superseded')),
  created_at         timestamptz not null default orchestrator_now(),
  decided_at         timestamptz,
  decided_by         text
) with (fillfactor = 85);
comment on table content.recommendations is 'What would raise a page''s score; those of an earlier audit that nobody decided are superseded';
comment on column content.recommendations.gain_tenths is 'Expected gain in tenths of a point of the score';
comment on column content.recommendations.changes is 'What approving does to the article, each with what has to be there before';
comment on column content.recommendations.fingerprint is 'Of page, rule and changes: what a person has rejected or rolled back is not raised again';
create index on content.recommendations (status, gain_tenths desc, recommendation_id);
create index on content.recommendations (article_id, status, gain_tenths desc, recommendation_id) where article_id is not null;
create index on content.recommendations (audit_id);
create index on content.recommendations (md5(url)) where status = 'open';
create index on content.recommendations (fingerprint) where status in ('rejected', 'rolled_back');

create table content.article_revisions (
  revision_id        uuid primary key,
  article_id         uuid not null references content.articles on delete cascade,
  recommendation_id  uuid not null references content.recommendations on delete cascade,
  fields             jsonb not null,
  made_at            timestamptz not null default orchestrator_now(),
  made_by            text not null,
  rolled_back_at     timestamptz,
  rolled_back_by     text
);
comment on table content.article_revisions is 'What approved recommendations changed: each field before and after';
create index on content.article_revisions (article_id, made_at desc, revision_id desc);
create index on content.article_revisions (recommendation_id, made_at desc);

create table content.article_prints (
  article_id       uuid primary key references content.articles on delete cascade,
  language         text not null,
  title_key        text not null,
  description_key  text not null,
  main_keyword     text not null,
  keywords         text[] not null,
  signature        int[] not null,
  bands            int[] not null
) with (fillfactor = 85);
comment on table content.article_prints is 'What near-duplicates and rivals are found by: MinHash of the text, keys of title, description and keywords';
comment on column content.article_prints.bands is 'Near-duplicates share at least one';
create index on content.article_prints using gin (bands);
create index on content.article_prints using gin (keywords);
create index on content.article_prints (md5(title_key)) where title_key <> '';
create index on content.article_prints (md5(description_key)) where description_key <> '';

create table content.link_checks (
  url_hash    bytea primary key check (length(url_hash) = 16),
  url         text not null,
  outcome     text not null,
  status      int,
  redirects   int not null,
  final_url   text not null,
  detail      text not null,
  checked_at  timestamptz not null
) with (fillfactor = 85);
comment on table content.link_checks is 'What came of checking addresses, so that a site is asked once a day; removed after a month';
create index on content.link_checks (checked_at);

create table content.robots_files (
  origin      text primary key check (length(origin) <= 500),
  status      int,
  body        text not null,
  checked_at  timestamptz not null
);
comment on table content.robots_files is 'robots.txt by origin, asked for once a day';

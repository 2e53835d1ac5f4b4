-- Who did what: every change that a person or a key asked for, as it was answered. Rows are added and, after the policy's
-- `retention.archive_after_days`, taken away as a whole; nothing changes one.

create table audit (
  audit_id    uuid primary key,
  at          timestamptz not null,
  actor       text not null,
  key_id      text not null,
  role        text not null,
  action      text not null,
  path        text not null,
  target      text,
  status      int not null,
  request     jsonb,
  before      jsonb,
  after       jsonb,
  request_id  text not null
);
comment on table audit is 'Who did what: changes that people and keys asked for, as they were answered; append-only';
comment on column audit.action is 'The route, as in openapi.json: POST /api/v1/orchestrator/pause';
comment on column audit.request is 'The body, without secrets; cut where it is long';
comment on column audit.before is 'What the change replaced, where there was something';
create index on audit (key_id, audit_id);
create index on audit (target, audit_id) where target is not null;

create function audit_is_append_only() returns trigger language plpgsql as $$
begin
  raise exception 'the audit log is append-only';
end $$;
create trigger audit_is_append_only before update on audit for each statement execute function audit_is_append_only();

-- Fair shares: how much of its entitlement each lane has used, in virtual time (expected seconds of work by weight).

create table lanes (
  workflow_type  text not null,
  content_type   text not null,
  virtual_time   double precision not null,
  updated_at     timestamptz not null default orchestrator_now(),
  primary key (workflow_type, content_type)
);
comment on column lanes.virtual_time is 'Rises by expected work / weight with every dispatch; the lane that is least ahead is entitled next';

alter table orchestrator add column virtual_time double precision not null default 0;
comment on column orchestrator.virtual_time is 'Where a lane begins that had nothing waiting: idleness earns no credit';

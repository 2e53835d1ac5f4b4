-- Locks for workflows that still run on their own clock: leases with fences, and the line of those who wait.

create sequence lock_fences;

create table locks (
  name         text primary key,
  fence        bigint not null,
  lease_id     uuid,
  holder       text,
  ttl_ms       bigint not null,
  acquired_at  timestamptz not null,
  expires_at   timestamptz not null,
  released_at  timestamptz,
  grants       bigint not null default 1,
  refusals     bigint not null default 0,
  expirations  bigint not null default 0,
  check ((lease_id is null) = (released_at is not null))
) with (fillfactor = 70, autovacuum_vacuum_threshold = 200);
comment on table locks is 'Who may run: one row a lock, the last lease in it';
comment on column locks.fence is 'Rises with every grant; whoever is written to refuses a smaller one than it has seen';
comment on column locks.lease_id is 'Known to its holder alone; null once it was released';
comment on column locks.expires_at is 'From then on anybody may have it, whatever its holder believes';
comment on column locks.expirations is 'Grants of a lock whose last holder never released it';

create table lock_waiters (
  ticket             bigint generated always as identity primary key,
  name               text not null,
  holder             text not null,
  since              timestamptz not null default orchestrator_now(),
  looks_again_before timestamptz not null
);
comment on table lock_waiters is 'Who waits for a lock, first come first served';
comment on column lock_waiters.looks_again_before is 'Later it has gone without a word, and nobody waits behind it';
create index on lock_waiters (name, ticket);

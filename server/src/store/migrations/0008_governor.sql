-- The resource governor: permits in strict rolling windows, the line of calls that wait, the ledger of money. ADRs 0011, 0012.

-- Whoever holds this row may grant. Its time never follows a clock that is set forward or back.
create table governor (
  only_row  boolean primary key default true check (only_row),
  behind    interval not null default '0',
  steps     int not null default 0
);
comment on column governor.behind is 'How far the database''s clock was set forward (or back, negative) while replicas measured that no such time had passed';
comment on column governor.steps is 'How often that was noticed: each step is taken off once, whoever notices it';
insert into governor default values;

-- The time by which windows are measured.
create function governor_now() returns timestamptz language sql volatile
  as 'select orchestrator_now() - behind from governor';

-- One row for each limit on requests (per minute, per day), e.g. `gemini:requests_per_minute`, `openai/gpt-6:requests_per_day`.
create table permit_pools (
  pool   text primary key,
  slots  int not null
);
create table permit_slots (
  pool        text not null references permit_pools,
  slot        int not null,
  granted_at  timestamptz not null default '-infinity',
  primary key (pool, slot)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
comment on column permit_slots.granted_at is 'The last grant: the slot may be granted again one window later. A grant that was not used stays counted';
create index on permit_slots (pool, granted_at, slot);

-- Calls that wait for a permit, in their order. A row that nobody renews is gone in seconds.
create table permit_waiters (
  waiter_id      uuid primary key,
  seq            bigint generated always as identity,
  provider       text not null,
  flow           text not null,
  round          bigint not null,
  permits        int not null,
  input_tokens   bigint not null,
  output_tokens  bigint not null,
  blocked_by     text[] not null,
  expires_at     timestamptz not null
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
comment on column permit_waiters.round is 'A workflow''s first waiting call stands in the current round, its second in the next: so workflows take turns';
comment on column permit_waiters.blocked_by is 'The limits that refused it when it last asked: it is ahead of others in these alone';
create index on permit_waiters (provider, round, seq);

-- What a provider said about its own limits.
create table provider_pauses (
  provider  text not null,
  model     text not null default '',
  kind      text not null check (kind in ('minute', 'day', 'insufficient_quota')),
  until_at  timestamptz not null,
  message   text not null,
  set_at    timestamptz not null,
  primary key (provider, model)
);

-- One row for each call: what was reserved, and what became of it. The truth about money.
create table ledger (
  entry_id                uuid primary key,
  source                  text not null check (source in ('gateway', 'permit', 'usage', 'callback')),
  state                   text not null check (state in ('held', 'settled', 'released')),
  outcome                 text check (outcome in ('metered', 'not_billed', 'assumed', 'reported', 'never_sent')),
  day                     date not null,
  scopes                  text[] not null,
  provider                text,
  models                  text[] not null default '{}',
  asked_model             text,
  fallback                text,
  operation               text,
  workflow_type           text,
  content_type            text,
  execution_id            uuid,
  attempt                 int,
  run                     text,
  report_key              text,
  actor                   text not null,
  permits                 int not null,
  reserved_micros         bigint not null check (reserved_micros >= 0),
  cost_micros             bigint check (cost_micros >= 0),
  reported_micros         bigint,
  reserved_input_tokens   bigint not null default 0,
  reserved_output_tokens  bigint not null default 0,
  input_tokens            bigint,
  cached_input_tokens     bigint,
  output_tokens           bigint,
  thinking_tokens         bigint,
  price_version           text,
  http_status             int,
  replica_id              text,
  granted_at              timestamptz not null,
  deadline_at             timestamptz not null,
  settled_at              timestamptz,
  check ((state = 'held') = (settled_at is null)),
  check ((state = 'settled') = (cost_micros is not null))
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
comment on column ledger.day is 'The UTC day of the reservation: the charge belongs to it, whenever it is settled';
comment on column ledger.report_key is 'Who reported, and under which idempotency key: the same report is charged once';
comment on column ledger.outcome is 'How the cost is known; assumed: unknown, so the worst case';
comment on column ledger.models is 'The model that was called, and its name in the price table';
create index ledger_held on ledger (provider) where state = 'held';
create index ledger_granted on ledger (provider, granted_at);
create index ledger_settled on ledger (provider, settled_at);
create index on ledger (day, entry_id);
create index on ledger (execution_id, attempt) where execution_id is not null;
create unique index ledger_report on ledger (report_key) where report_key is not null;
create unique index ledger_callback on ledger (execution_id, attempt) where source = 'callback';

-- Sums of the ledger, written in the transactions that write it: `all`, `provider:gemini`, `workflow:…`, `content_type:…`.
create table ledger_totals (
  day             date not null,
  scope           text not null,
  settled_micros  bigint not null default 0,
  held_micros     bigint not null default 0,
  primary key (day, scope)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

-- The limits of a policy that a call has to keep. A model's own limits stand under the first of its names that the policy knows.
create function governor_limits(policy jsonb, provider text, models text[])
returns table (pool text, kind text, model text, most bigint) language sql immutable as $$
  select provider || case when scope.model = '' then '' else '/' || scope.model end || ':' || kinds.kind,
         kinds.kind, scope.model, (scope.doc->>kinds.kind)::bigint
    from ((select '' as model, policy->'providers'->provider as doc)
          union all
          (select named.model, policy->'providers'->provider->'models'->named.model
             from unnest(models) with ordinality as named (model, n)
            where policy->'providers'->provider->'models' ? named.model order by n limit 1)) scope,
         unnest(array['requests_per_minute', 'requests_per_day', 'input_tokens_per_minute',
                      'output_tokens_per_minute', 'concurrency']) as kinds (kind)
   where scope.doc->>kinds.kind is not null
$$;

-- How long a grant stays counted: the limit's window and the longest time from a grant to the provider.
create function governor_window(kind text, grace interval) returns interval language sql immutable as
  $$ select grace + case kind when 'requests_per_day' then interval '24 hours' else interval '60 seconds' end $$;

-- Brings a pool of permits to its limit. Slots beyond a limit that fell stay until their last grant is a window old, and a
-- new pool begins with what was granted before there was one: so no change of a limit lets more through than the new one.
create function governor_fit_pool(the_pool text, the_provider text, the_model text, most int, since timestamptz)
returns int language plpgsql as $$
declare
  have int;
begin
  select slots into have from permit_pools where pool = the_pool;
  if have = most then return have; end if;
  if have is null then
    insert into permit_pools values (the_pool, 0);
    insert into permit_slots (pool, slot, granted_at)
      select the_pool, row_number() over (order by granted_at desc), granted_at
        from ledger cross join generate_series(1, permits)
       where provider = the_provider and granted_at > since and state <> 'released'
         and (the_model = '' or the_model = any(models));
    get diagnostics have = row_count;
  end if;
  if have > most then
    delete from permit_slots where pool = the_pool and slot in (
      select slot from permit_slots where pool = the_pool and granted_at <= since
       order by granted_at, slot limit have - most);
  else
    insert into permit_slots (pool, slot)
      select the_pool, coalesce((select max(slot) from permit_slots where pool = the_pool), 0) + n
        from generate_series(1, most - have) n;
  end if;
  select count(*) into have from permit_slots where pool = the_pool;
  update permit_pools set slots = have where pool = the_pool and slots <> have;
  return have;
end $$;

-- When `wanted` more permits are free, `ahead` others being served first: the time at which the last of them is a window
-- old. Null: never, under this limit.
create function governor_free_at(the_pool text, have int, most int, ahead bigint, wanted int, span interval)
returns timestamptz language plpgsql as $$
declare
  rank bigint := ahead + wanted;
  granted timestamptz;
begin
  if wanted > most then return null; end if;
  select granted_at into granted from permit_slots where pool = the_pool
   order by granted_at, slot offset (have - most) + (rank - 1) % most limit 1;
  return granted + span * (1 + (rank - 1) / most);
end $$;

-- Tokens that count against a limit now. What is held counts by its worst case. Input counts from its grant; output until
-- a window after it was settled, since it may have come just then.
create function governor_tokens(the_kind text, the_provider text, the_model text, since timestamptz)
returns table (tokens bigint, leaves_from timestamptz) language sql stable as $$
  select case when state = 'held' then reserved_input_tokens else coalesce(input_tokens, 0) end, granted_at
    from ledger
   where the_kind = 'input_tokens_per_minute' and provider = the_provider and granted_at > since
     and state <> 'released' and (the_model = '' or the_model = any(models))
  union all
  select reserved_output_tokens, null from ledger
   where the_kind = 'output_tokens_per_minute' and provider = the_provider and state = 'held'
     and (the_model = '' or the_model = any(models))
  union all
  select coalesce(output_tokens, 0), settled_at from ledger
   where the_kind = 'output_tokens_per_minute' and provider = the_provider and settled_at > since
     and state <> 'released' and (the_model = '' or the_model = any(models))
$$;

-- When one limit lets a call through: now or earlier if it does already, null if it never will. `in_line` and `in_seq`
-- are the call's place among those that wait for this limit.
create function governor_limit_free_at(
  the_pool text, the_kind text, the_model text, most bigint, ask jsonb,
  in_line bigint, in_seq bigint, now_at timestamptz, grace interval)
returns timestamptz language plpgsql as $$
declare
  the_provider text := ask->>'provider';
  span interval := governor_window(the_kind, grace);
  wanted bigint := case the_kind when 'input_tokens_per_minute' then (ask->>'input_tokens')::bigint
                     when 'output_tokens_per_minute' then (ask->>'output_tokens')::bigint
                     when 'concurrency' then 1 else (ask->>'permits')::int end;
  ahead bigint;
  used bigint;
  free_at timestamptz;
begin
  if wanted = 0 then return '-infinity'; end if;
  if wanted > most then return null; end if;
  select coalesce(sum(case the_kind when 'input_tokens_per_minute' then w.input_tokens
                        when 'output_tokens_per_minute' then w.output_tokens
                        when 'concurrency' then 1 else w.permits end), 0) into ahead
    from permit_waiters w
   where w.provider = the_provider and the_pool = any(w.blocked_by) and (w.round, w.seq) < (in_line, in_seq);
  if the_kind in ('requests_per_minute', 'requests_per_day') then
    return governor_free_at(the_pool,
      governor_fit_pool(the_pool, the_provider, the_model, most::int, now_at - span),
      most::int, ahead, wanted::int, span);
  end if;
  if the_kind = 'concurrency' then
    select count(*) into used from ledger l
     where l.state = 'held' and l.provider = the_provider and (the_model = '' or the_model = any(l.models));
    return case when used + ahead + wanted <= most then '-infinity' else now_at + interval '1 second' end;
  end if;
  select coalesce(sum(t.tokens), 0) into used
    from governor_tokens(the_kind, the_provider, the_model, now_at - span) t;
  if used + ahead + wanted <= most then return '-infinity'; end if;
  select min(leaving.leaves_from) + span into free_at
    from (select t.leaves_from, sum(t.tokens) over (order by t.leaves_from rows unbounded preceding) as gone
            from governor_tokens(the_kind, the_provider, the_model, now_at - span) t
           where t.leaves_from is not null) leaving
   where used - leaving.gone + ahead + wanted <= most;
  return coalesce(free_at, now_at + interval '1 second');
end $$;

-- Judges one call; the governor's row is locked. Grants all that it needs, writes its ledger row, or leaves everything as it was.
create function governor_admit_one(
  ask jsonb, policy jsonb, now_at timestamptz, today date, grace interval)
returns jsonb language plpgsql as $$
declare
  id uuid := (ask->>'entry_id')::uuid;
  the_provider text := ask->>'provider';
  the_models text[] := array(select jsonb_array_elements_text(ask->'models'));
  wanted int := (ask->>'permits')::int;
  micros bigint := (ask->>'reserved_micros')::bigint;
  execution uuid := (ask->>'execution_id')::uuid;
  at_attempt int := (ask->>'attempt')::int;
  workflow text := ask->>'workflow_type';
  content text;
  found_execution record;
  the_scopes text[];
  capped record;
  pause record;
  lim record;
  flow_name text;
  my_round bigint;
  my_seq bigint;
  free_at timestamptz;
  wait_until timestamptz;
  blocked text[] := '{}';
  why text;
  request_pools text[] := '{}';
begin
  if execution is not null then
    select e.workflow_type, e.content_type, e.attempts, e.status into found_execution
      from workflow_orchestration e where e.execution_id = execution;
    if at_attempt is not null and (found_execution.workflow_type is null or found_execution.attempts <> at_attempt
         or found_execution.status not in ('DISPATCHING', 'MONITORING', 'ERROR_RECOVERY')) then
      delete from permit_waiters where waiter_id = id;
      return jsonb_build_object('verdict', 'stale');
    end if;
    if found_execution.workflow_type is null then execution := null;
    else
      workflow := found_execution.workflow_type;
      content := found_execution.content_type;
      at_attempt := found_execution.attempts;
    end if;
  end if;

  the_scopes := array_remove(array['all', 'content_type:' || content, 'provider:' || the_provider,
                                   'workflow:' || workflow], null);
  if micros > 0 then
    select c.scope, c.cap, coalesce(t.settled_micros, 0) + coalesce(t.held_micros, 0) as used into capped
      from (values ('all', policy->'budget'->>'daily_usd'),
                   ('content_type:' || content, policy->'budget'->'caps'->'content_types'->>content),
                   ('provider:' || the_provider, policy->'budget'->'caps'->'providers'->>the_provider),
                   ('workflow:' || workflow, policy->'budget'->'caps'->'workflows'->>workflow)) given (scope, usd)
           cross join lateral (select given.scope, round(given.usd::numeric * 1000000)::bigint as cap) c
           left join ledger_totals t on t.day = today and t.scope = c.scope
     where c.cap is not null and coalesce(t.settled_micros, 0) + coalesce(t.held_micros, 0) + micros > c.cap
     limit 1;
    if found then
      delete from permit_waiters where waiter_id = id;
      return jsonb_build_object('verdict', 'over_budget', 'scope', capped.scope, 'cap_micros', capped.cap,
                                'used_micros', capped.used);
    end if;
  end if;

  flow_name := coalesce(workflow, ask->>'actor');
  select w.round, w.seq into my_round, my_seq from permit_waiters w where w.waiter_id = id;
  if my_round is null then
    select greatest(coalesce(min(w.round), 0), coalesce(max(w.round) filter (where w.flow = flow_name) + 1, 0))
      into my_round from permit_waiters w where w.provider = the_provider;
    my_seq := 9223372036854775807;
  end if;

  select p.until_at, p.kind into pause from provider_pauses p
   where p.provider = the_provider and (p.model = '' or p.model = any(the_models)) and p.until_at > now_at
   order by p.until_at desc limit 1;
  if found then
    wait_until := pause.until_at;
    why := 'paused:' || pause.kind;
    blocked := array[why];
  end if;
  for lim in select * from governor_limits(policy, the_provider, the_models) loop
    free_at := governor_limit_free_at(lim.pool, lim.kind, lim.model, lim.most, ask, my_round, my_seq, now_at, grace);
    if free_at is null then
      delete from permit_waiters where waiter_id = id;
      return jsonb_build_object('verdict', 'never', 'limit', lim.pool, 'most', lim.most);
    end if;
    if free_at > now_at then
      blocked := blocked || lim.pool;
      if wait_until is null or free_at > wait_until then
        wait_until := free_at;
        why := lim.pool;
      end if;
    elsif lim.kind in ('requests_per_minute', 'requests_per_day') then
      request_pools := request_pools || lim.pool;
    end if;
  end loop;

  if wait_until is not null then
    if (ask->>'wait')::boolean then
      insert into permit_waiters as w (waiter_id, provider, flow, round, permits, input_tokens, output_tokens,
                                       blocked_by, expires_at)
        values (id, the_provider, flow_name, my_round, wanted, (ask->>'input_tokens')::bigint,
                (ask->>'output_tokens')::bigint, blocked, now_at + interval '6 seconds')
      on conflict (waiter_id) do update set blocked_by = excluded.blocked_by, expires_at = excluded.expires_at;
    end if;
    return jsonb_build_object('verdict', 'wait', 'limit', why,
      'wait_ms', extract(epoch from wait_until - now_at) * 1000,
      'exact', why like 'paused:%' or why like '%:requests_per_minute' or why like '%:requests_per_day');
  end if;

  update permit_slots s set granted_at = now_at
    from unnest(request_pools) as of_pool (pool) cross join lateral (
      select o.slot from permit_slots o where o.pool = of_pool.pool order by o.granted_at, o.slot limit wanted) oldest
   where s.pool = of_pool.pool and s.slot = oldest.slot;
  delete from permit_waiters where waiter_id = id;
  insert into ledger (entry_id, source, state, day, scopes, provider, models, asked_model, fallback, operation,
                      workflow_type, content_type, execution_id, attempt, run, actor, permits, reserved_micros,
                      reserved_input_tokens, reserved_output_tokens, price_version, replica_id, granted_at, deadline_at)
    values (id, ask->>'source', 'held', today, the_scopes, the_provider, the_models, ask->>'asked_model',
            ask->>'fallback', ask->>'operation', workflow, content, execution, at_attempt, ask->>'run', ask->>'actor',
            wanted, micros, (ask->>'input_tokens')::bigint, (ask->>'output_tokens')::bigint, ask->>'price_version',
            ask->>'replica_id', now_at, now_at + (ask->>'deadline_ms')::float8 * interval '1 millisecond');
  if micros > 0 then
    insert into ledger_totals as t (day, scope, held_micros)
      select today, scope, micros from unnest(the_scopes) scope order by scope
    on conflict (day, scope) do update set held_micros = t.held_micros + excluded.held_micros;
  end if;
  return jsonb_build_object('verdict', 'granted', 'execution_id', execution, 'workflow_type', workflow);
end $$;

-- Judges calls one after another under the governor's lock. Answers {now_ms, steps, verdicts}; without verdicts where the
-- caller has priced by another policy, or where the clock is not where the caller's own measure of time says it can be.
create function governor_admit(
  asks jsonb, priced_by int, not_before timestamptz, not_after timestamptz, grace interval)
returns jsonb language plpgsql
-- Planned once for each connection, and by the indexes: what is looked up is always few rows of what may be many.
set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
  state record;
  wall timestamptz;
  now_at timestamptz;
  in_force record;
  verdicts jsonb := '[]';
  ask jsonb;
begin
  select behind, steps into state from governor for update;
  wall := orchestrator_now();
  now_at := wall - state.behind;
  select version, policy into in_force from policy_versions order by version desc limit 1;
  if in_force.version is distinct from priced_by or now_at < not_before or now_at > not_after then
    verdicts := null;
  else
    delete from permit_waiters where expires_at < now_at;
    for ask in select value from jsonb_array_elements(asks) with ordinality order by ordinality loop
      verdicts := verdicts
        || governor_admit_one(ask, in_force.policy, now_at, (wall at time zone 'UTC')::date, grace);
    end loop;
  end if;
  return jsonb_build_object('now_ms', extract(epoch from now_at) * 1000, 'steps', state.steps,
    'policy_version', in_force.version, 'verdicts', verdicts);
end $$;

-- Ends reservations, each once; but what was assumed may be corrected. Answers {entry_id, execution_id, attempt, recount}
-- for those that it ended; `recount`: its attempt's callback was charged, and has to be charged anew.
create function governor_settle(settlements jsonb)
returns table (entry_id uuid, execution_id uuid, attempt int, recount boolean) language plpgsql
set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
#variable_conflict use_column
begin
  return query
  with item as (
    select * from jsonb_to_recordset(settlements) as i (entry_id uuid, state text, outcome text, cost_micros bigint,
           input_tokens bigint, cached_input_tokens bigint, output_tokens bigint, thinking_tokens bigint,
           http_status int)),
  old as (
    select l.entry_id, l.state as was, l.reserved_micros, coalesce(l.cost_micros, 0) as was_cost
      from ledger l where l.entry_id = any(array(select entry_id from item))
       and (l.state = 'held' or l.outcome = 'assumed')
     order by l.entry_id for update),
  ended as (
    update ledger l set
       state = i.state, outcome = i.outcome, settled_at = governor_now(),
       cost_micros = case when i.state = 'settled' then coalesce(i.cost_micros, l.reserved_micros) end,
       input_tokens = coalesce(i.input_tokens, case when i.outcome = 'assumed' then l.reserved_input_tokens end),
       cached_input_tokens = i.cached_input_tokens,
       output_tokens = coalesce(i.output_tokens, case when i.outcome = 'assumed' then l.reserved_output_tokens end),
       thinking_tokens = i.thinking_tokens, http_status = i.http_status
      from item i join old using (entry_id) where l.entry_id = i.entry_id
    returning l.entry_id, l.day, l.scopes, l.execution_id, l.attempt,
              coalesce(l.cost_micros, 0) - old.was_cost as settled,
              case when old.was = 'held' then -old.reserved_micros else 0 end as held),
  moved as (
    insert into ledger_totals as t (day, scope, settled_micros, held_micros)
    select day, scope, sum(settled)::bigint, sum(held)::bigint from ended, unnest(scopes) scope
     where settled <> 0 or held <> 0 group by day, scope order by day, scope
    on conflict (day, scope) do update set settled_micros = t.settled_micros + excluded.settled_micros,
           held_micros = t.held_micros + excluded.held_micros)
  select ended.entry_id, ended.execution_id, ended.attempt, exists (
           select from ledger c where c.execution_id = ended.execution_id and c.attempt = ended.attempt
              and c.source = 'callback')
    from ended;
end $$;

-- The same judgement with fewer statements: what nearly never is there (a line, a pause) is asked about once, and a grant is
-- written in one. Plans that avoid scans look dear to the planner, so that some servers would compile them at every call:
-- hence no just-in-time compilation.

-- Calls that were given to another model or provider, until a cycle has told of them among its decisions. Calls only add
-- rows, cycles only take rows: neither waits for the other.
create table fallbacks_taken (
  entry_id  uuid primary key,
  fallback  text not null,
  provider  text not null,
  at        timestamptz not null
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
comment on column fallbacks_taken.fallback is 'As in the ledger: what for what, and why';
comment on column fallbacks_taken.at is 'By the service''s time, not the governor''s: it stands beside the times of cycles';

drop function governor_limit_free_at(text, text, text, bigint, jsonb, bigint, bigint, timestamptz, interval);
drop function governor_admit_one(jsonb, jsonb, timestamptz, date, interval);

-- When one limit lets a call through: now or earlier if it does already, null if it never will. `have`: its slots, null if it
-- has none yet. `anyone` waits for this provider; `in_line` and `in_seq` are the call's place among them.
create function governor_limit_free_at(
  the_pool text, the_kind text, the_model text, most bigint, have int, ask jsonb,
  anyone boolean, in_line bigint, in_seq bigint, now_at timestamptz, grace interval)
returns timestamptz language plpgsql as $$
declare
  the_provider text := ask->>'provider';
  span interval := governor_window(the_kind, grace);
  wanted bigint := case the_kind when 'input_tokens_per_minute' then (ask->>'input_tokens')::bigint
                     when 'output_tokens_per_minute' then (ask->>'output_tokens')::bigint
                     when 'concurrency' then 1 else (ask->>'permits')::int end;
  ahead bigint := 0;
  used bigint;
  free_at timestamptz;
begin
  if wanted = 0 then return '-infinity'; end if;
  if wanted > most then return null; end if;
  if anyone then
    select coalesce(sum(case the_kind when 'input_tokens_per_minute' then w.input_tokens
                          when 'output_tokens_per_minute' then w.output_tokens
                          when 'concurrency' then 1 else w.permits end), 0) into ahead
      from permit_waiters w
     where w.provider = the_provider and the_pool = any(w.blocked_by) and (w.round, w.seq) < (in_line, in_seq);
  end if;
  if the_kind in ('requests_per_minute', 'requests_per_day') then
    if have is distinct from most::int then
      have := governor_fit_pool(the_pool, the_provider, the_model, most::int, now_at - span);
    end if;
    return governor_free_at(the_pool, have, most::int, ahead, wanted::int, span);
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

-- Judges one call; the governor's row is locked. Grants all that it needs, writes its ledger row, or leaves everything as it
-- was. `pauses`: some provider rests.
create function governor_admit_one(
  ask jsonb, policy jsonb, pauses boolean, now_at timestamptz, today date, grace interval)
returns jsonb language plpgsql as $$
declare
  id uuid := (ask->>'entry_id')::uuid;
  the_provider text := ask->>'provider';
  -- The model that is called, and its name in the price list: no more than two.
  the_models text[] := array_remove(array[ask->'models'->>0, ask->'models'->>1], null);
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
  line record;
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
  select count(*) > 0 as anyone, count(*) filter (where w.waiter_id = id) > 0 as mine, min(w.round) as current_round,
         max(w.round) filter (where w.flow = flow_name) as last_round,
         max(w.round) filter (where w.waiter_id = id) as round, max(w.seq) filter (where w.waiter_id = id) as seq into line
    from permit_waiters w where w.provider = the_provider;
  my_round := coalesce(line.round, greatest(coalesce(line.current_round, 0), coalesce(line.last_round + 1, 0)));
  my_seq := coalesce(line.seq, 9223372036854775807);

  if pauses then
    select p.until_at, p.kind into pause from provider_pauses p
     where p.provider = the_provider and (p.model = '' or p.model = any(the_models)) and p.until_at > now_at
     order by p.until_at desc limit 1;
    if found then
      wait_until := pause.until_at;
      why := 'paused:' || pause.kind;
      blocked := array[why];
    end if;
  end if;
  for lim in select l.*, p.slots from governor_limits(policy, the_provider, the_models) l
               left join permit_pools p on p.pool = l.pool loop
    free_at := governor_limit_free_at(lim.pool, lim.kind, lim.model, lim.most, lim.slots, ask, line.anyone, my_round, my_seq,
                                      now_at, grace);
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

  if line.mine then delete from permit_waiters where waiter_id = id; end if;
  with used as (
    update permit_slots s set granted_at = now_at
      from unnest(request_pools) as of_pool (pool) cross join lateral (
        select o.slot from permit_slots o where o.pool = of_pool.pool order by o.granted_at, o.slot limit wanted) oldest
     where s.pool = of_pool.pool and s.slot = oldest.slot),
  entry as (
    insert into ledger (entry_id, source, state, day, scopes, provider, models, asked_model, fallback, operation,
                        workflow_type, content_type, execution_id, attempt, run, actor, permits, reserved_micros,
                        reserved_input_tokens, reserved_output_tokens, price_version, replica_id, granted_at, deadline_at)
      values (id, ask->>'source', 'held', today, the_scopes, the_provider, the_models, ask->>'asked_model',
              ask->>'fallback', ask->>'operation', workflow, content, execution, at_attempt, ask->>'run', ask->>'actor',
              wanted, micros, (ask->>'input_tokens')::bigint, (ask->>'output_tokens')::bigint, ask->>'price_version',
              ask->>'replica_id', now_at, now_at + (ask->>'deadline_ms')::float8 * interval '1 millisecond')),
  fallen as (
    insert into fallbacks_taken
      select id, ask->>'fallback', the_provider, orchestrator_now() where ask->>'fallback' is not null)
  insert into ledger_totals as t (day, scope, held_micros)
    select today, scope, micros from unnest(the_scopes) scope where micros > 0 order by scope
  on conflict (day, scope) do update set held_micros = t.held_micros + excluded.held_micros;
  return jsonb_build_object('verdict', 'granted', 'execution_id', execution, 'workflow_type', workflow);
end $$;

-- Judges calls one after another under the governor's lock, as before.
create or replace function governor_admit(
  asks jsonb, priced_by int, not_before timestamptz, not_after timestamptz, grace interval)
returns jsonb language plpgsql
set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off as $$
declare
  state record;
  wall timestamptz;
  now_at timestamptz;
  in_force record;
  verdicts jsonb := '[]';
begin
  select behind, steps into state from governor for update;
  wall := orchestrator_now();
  now_at := wall - state.behind;
  -- Joined with nothing, the policy is unpacked here, once, and not at each look into it.
  select v.version, v.policy || '{}' as policy,
         exists (select from permit_waiters w where w.expires_at < now_at) as expired,
         exists (select from provider_pauses p where p.until_at > now_at) as pauses
    into in_force from policy_versions v order by v.version desc limit 1;
  if in_force.version is distinct from priced_by or now_at < not_before or now_at > not_after then
    verdicts := null;
  else
    if in_force.expired then delete from permit_waiters where expires_at < now_at; end if;
    for n in 0 .. jsonb_array_length(asks) - 1 loop
      verdicts := verdicts || governor_admit_one(asks->n, in_force.policy, in_force.pauses, now_at,
                                                 (wall at time zone 'UTC')::date, grace);
    end loop;
  end if;
  return jsonb_build_object('now_ms', extract(epoch from now_at) * 1000, 'steps', state.steps,
    'policy_version', in_force.version, 'verdicts', verdicts);
end $$;

-- Ends reservations, each once; but what was assumed may be corrected. Where the callback of an entry's attempt was charged
-- already, less what the gateway had metered by then, it is charged anew, in the same transaction. `recount` tells older
-- replicas that nothing is left to do.
create or replace function governor_settle(settlements jsonb)
returns table (entry_id uuid, execution_id uuid, attempt int, recount boolean) language plpgsql
set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off as $$
#variable_conflict use_column
declare
  attempts jsonb := '[]';
  one record;
begin
  for one in
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
    select ended.entry_id, ended.execution_id, ended.attempt from ended
  loop
    if one.execution_id is not null then
      attempts := attempts || jsonb_build_object('execution_id', one.execution_id, 'attempt', one.attempt);
    end if;
    entry_id := one.entry_id;
    execution_id := one.execution_id;
    attempt := one.attempt;
    recount := false;
    return next;
  end loop;
  -- Only now: whoever charges a callback holds the day's sums before it looks at the entries, so that one of us sees the other.
  if attempts <> '[]' then perform governor_recount(attempts); end if;
end $$;

-- Charges callbacks anew, less what the gateway has metered for their attempts by now; what is still held counts by its worst case.
create function governor_recount(attempts jsonb) returns void language sql as $$
  with a as (
    select c.entry_id, c.execution_id, c.attempt, c.cost_micros as was, c.reported_micros from ledger c
     where c.source = 'callback' and (c.execution_id, c.attempt) in (
           select r.execution_id, r.attempt from jsonb_to_recordset(attempts) as r (execution_id uuid, attempt int))
     order by c.entry_id for update),
  ended as (
    update ledger l set cost_micros = greatest(0, a.reported_micros - coalesce((
             select sum(case when g.state = 'held' then g.reserved_micros else g.cost_micros end)
               from ledger g where g.execution_id = a.execution_id and g.attempt = a.attempt and g.source <> 'callback'
                and g.state <> 'released'), 0))
      from a where l.entry_id = a.entry_id
    returning l.day, l.scopes, l.cost_micros - a.was as settled)
  insert into ledger_totals as t (day, scope, settled_micros)
  select day, scope, sum(settled)::bigint from ended, unnest(scopes) scope
   where settled <> 0 group by day, scope order by day, scope
  on conflict (day, scope) do update set settled_micros = t.settled_micros + excluded.settled_micros
$$;

-- What a replica has to settle and to ask at one moment: one transaction, one commit. What is settled makes room for what is asked.
create function governor_turn(
  settlements jsonb, asks jsonb, priced_by int, not_before timestamptz, not_after timestamptz, grace interval)
returns jsonb language plpgsql set jit = off as $$
declare
  ended jsonb := '[]';
begin
  -- The governor's row before any sum, as whoever only asks takes them.
  perform from governor for update;
  if settlements <> '[]' then
    select coalesce(jsonb_agg(s.entry_id), '[]') into ended from governor_settle(settlements) s;
  end if;
  return governor_admit(asks, priced_by, not_before, not_after, grace) || jsonb_build_object('ended', ended);
end $$;

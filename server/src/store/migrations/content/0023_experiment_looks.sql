-- How an experiment's figures went, look by look: what `result` holds is overwritten by the next look.

create table content.experiment_looks (
  experiment_id  uuid not null references content.experiments on delete cascade,
  at             timestamptz not null,
  result         jsonb not null,
  primary key (experiment_id, at)
);
comment on table content.experiment_looks is 'The figures of each look at an experiment; kept as long as the experiment';

create function content.keep_look() returns trigger language plpgsql as $$
begin
  insert into content.experiment_looks (experiment_id, at, result) values (new.experiment_id, new.result_at, new.result)
    on conflict (experiment_id, at) do update set result = excluded.result;
  return null;
end $$;
create trigger keep_look after update of result_at on content.experiments for each row
  when (new.result is not null and new.result_at is not null and new.result_at is distinct from old.result_at)
  execute function content.keep_look();
insert into content.experiment_looks select experiment_id, result_at, result from content.experiments
 where result is not null and result_at is not null;

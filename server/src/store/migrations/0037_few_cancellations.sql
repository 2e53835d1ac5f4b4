-- What cancels a run, or was refused by its target, is rare among facts: a cycle finds it without reading all that is reported.
create index facts_ending_runs on facts (execution_id)
  where kind = 'cancel_execution' or (kind = 'delivery' and data->>'outcome' = 'refused');
create index facts_ending_tasks on facts (task_id) where kind = 'cancel_task';

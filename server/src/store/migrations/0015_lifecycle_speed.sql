-- What a run costs to write. Its parts are written by the transaction that writes the run itself, and moved out with it; that
-- each of them has its run is what that transaction guarantees, and a look-up for each row adds nothing to it.
alter table execution_tasks drop constraint execution_tasks_execution_id_fkey;
alter table attempts drop constraint attempts_execution_id_fkey;
alter table tasks drop constraint tasks_execution_id_fkey;

/** What must always be true of the rows: each invariant of docs/invariants.md with the statement that finds its violations. */
import { ENDED_ATTEMPT_STATES } from "@master-orchestrator/contract";
import { EXECUTION_TRANSITIONS, TASK_TRANSITIONS } from "#core/states.ts";
import type { Database, Queryable, Row } from "./database.ts";
import { executionsUnlikeTheirEvents, tasksUnlikeTheirEvents } from "./replayed.ts";

type Finder = (tx: Queryable, limit: number) => Promise<Row[]>;

export interface Invariant {
  number: number;
  /** The sentence of docs/invariants.md. */
  sentence: string;
  /** Selects the rows that violate it, or finds at most so many. */
  violations: string | Finder;
}

export interface InvariantVerdict extends Omit<Invariant, "violations"> {
  /** At most 20 violating rows; empty if it holds. */
  rows: Row[];
}

const LIVE = "('DISPATCHING', 'MONITORING', 'ERROR_RECOVERY')";
const ENDED_ATTEMPT = `(${ENDED_ATTEMPT_STATES.map((state) => `'${state}'`).join(", ")})`;
const MAX_ROWS = 20;

/** The legal steps of both state machines, as rows to compare with. */
const LEGAL_STEPS = [
  ...Object.entries(EXECUTION_TRANSITIONS).flatMap(([from, to]) =>
    to.map((one) => `('execution', '${from}', '${one}')`),
  ),
  ...Object.entries(TASK_TRANSITIONS).flatMap(([from, to]) =>
    to.map((one) => `('task', '${from}', '${one}')`),
  ),
].join(", ");

const STATEMENTS: readonly [string, string | Finder][] = [
  [
    "A running task is carried by a live execution",
    `select t.task_id, t.status, e.execution_id, e.status as execution_status
       from tasks t left join workflow_orchestration e using (execution_id)
      where t.status = 'running' and coalesce(e.status not in ${LIVE}, true)`,
  ],
  [
    "Only running and retrying tasks are carried by an execution",
    "select task_id, status, execution_id from tasks where execution_id is not null and status not in ('running', 'retrying')",
  ],
  [
    "An execution that has ended carries no task",
    `select t.task_id, t.status, e.execution_id, e.status as execution_status
       from tasks t join workflow_orchestration e using (execution_id)
      where e.status in ('COMPLETED', 'FAILED', 'CANCELLED')`,
  ],
  [
    "A live execution of a sub-workflow carries at least one task",
    `select execution_id, status from workflow_orchestration e
      where status in ${LIVE} and workflow_type <> 'master_orchestrator'
        and not exists (select from tasks t where t.execution_id = e.execution_id)`,
  ],
  [
    "A task has an end time exactly when it has ended",
    `select task_id, status, completed_at from tasks
      where (completed_at is not null) <> (status in ('completed', 'dead_lettered', 'cancelled'))`,
  ],
  [
    "An execution has an end time exactly when it has ended",
    `select execution_id, status, completed_at from workflow_orchestration
      where (completed_at is not null) <> (status in ('COMPLETED', 'FAILED', 'CANCELLED'))`,
  ],
  [
    "A task is completed at most once",
    `select entity_id as task_id, count(*) as times from transitions
      where entity = 'task' and to_state = 'completed' group by entity_id having count(*) > 1`,
  ],
  [
    "The last transition of an execution leads to its status",
    `select e.execution_id, e.status, last.to_state from workflow_orchestration e
       left join lateral (select to_state from transitions t where t.entity_id = e.execution_id::text
                           order by transition_id desc limit 1) last on true
      where last.to_state is distinct from e.status`,
  ],
  [
    "The last transition of a task leads to its status",
    `select k.task_id, k.status, last.to_state from tasks k
       left join lateral (select to_state from transitions t where t.entity_id = k.task_id::text
                             and t.to_state not like 'priority %' order by transition_id desc limit 1) last on true
      where last.to_state is distinct from k.status`,
  ],
  [
    "Every transition starts where the one before it ended",
    `select * from (
       select entity, entity_id, transition_id, from_state, to_state,
              lag(to_state) over (partition by entity, entity_id order by transition_id) as before
         from transitions where entity in ('execution', 'task') and to_state not like 'priority %') chain
      where from_state is distinct from before`,
  ],
  [
    "Every transition is drawn in docs/states.md",
    `select entity, entity_id, from_state, to_state from transitions
      where entity in ('execution', 'task') and from_state is not null and to_state not like 'priority %'
        and (entity, from_state, to_state) not in (values ${LEGAL_STEPS})`,
  ],
  [
    "The attempts of an execution are numbered 1 to the number that it has used",
    `select e.execution_id, e.attempts, count(a.attempt) as rows, max(a.attempt) as highest
       from workflow_orchestration e left join attempts a using (execution_id)
      group by e.execution_id having count(a.attempt) <> e.attempts or coalesce(max(a.attempt), 0) <> e.attempts`,
  ],
  [
    "Only the last attempt of a live execution may be without an end",
    `select a.execution_id, a.attempt, a.state, e.status from attempts a join workflow_orchestration e using (execution_id)
      where a.ended_at is null and (a.attempt < e.attempts or e.status not in ('DISPATCHING', 'MONITORING'))`,
  ],
  [
    "An attempt has an end time exactly when its state is an end",
    `select execution_id, attempt, state, ended_at from attempts
      where (ended_at is not null) <> (state in ${ENDED_ATTEMPT})`,
  ],
  [
    "Every callback and every claim belongs to an attempt",
    `select execution_id, attempt, 'callback' as what from callbacks c
      where not exists (select from attempts a where (a.execution_id, a.attempt) = (c.execution_id, c.attempt))
      union all
     select execution_id, attempt, 'claim' from claims c
      where not exists (select from attempts a where (a.execution_id, a.attempt) = (c.execution_id, c.attempt))`,
  ],
  [
    "An attempt carries only tasks that its execution was given",
    `select a.execution_id, a.attempt, task_id from attempts a, unnest(a.task_ids) task_id
      where not exists (select from execution_tasks et where (et.execution_id, et.task_id) = (a.execution_id, task_id))`,
  ],
  [
    "A parent is a cycle and began no later than its children",
    `select c.execution_id, p.execution_id as parent, p.workflow_type from workflow_orchestration c
       join workflow_orchestration p on p.execution_id = c.parent_execution_id
      where p.workflow_type <> 'master_orchestrator' or p.created_at > c.created_at`,
  ],
  [
    "A parent ends exactly when its last child has ended",
    `select p.execution_id, p.status, count(*) filter (where c.status in ${LIVE}) as live
       from workflow_orchestration p join workflow_orchestration c on c.parent_execution_id = p.execution_id
      group by p.execution_id
      having (p.status = 'COMPLETED') <> (count(*) filter (where c.status in ${LIVE}) = 0)`,
  ],
  [
    "A dead letter has an error",
    `select task_id from tasks t where status = 'dead_lettered'
        and not exists (select from task_errors e where e.task_id = t.task_id)`,
  ],
  [
    "A task has no more failures than recorded errors",
    `select t.task_id, t.failures, (select count(*) from task_errors e where e.task_id = t.task_id) as errors
       from tasks t where t.failures > (select count(*) from task_errors e where e.task_id = t.task_id)`,
  ],
  [
    "An execution costs what its attempts reported",
    `select e.execution_id, e.cost_micros, sum(round((a.metrics->>'cost_usd')::numeric * 1000000)) as reported
       from workflow_orchestration e join attempts a using (execution_id)
      group by e.execution_id
      having e.cost_micros <> coalesce(sum(round((a.metrics->>'cost_usd')::numeric * 1000000)), 0)`,
  ],
  [
    "No more runs are at work than the largest limit that was ever set",
    `select * from (
       select (select count(*) from workflow_orchestration e join attempts a
                   on a.execution_id = e.execution_id and a.attempt = e.attempts
                where e.status in ('DISPATCHING', 'MONITORING') and a.state in ('sent', 'accepted')) as working,
              (select max((policy->'concurrency'->>'total')::int) from policy_versions) as allowed) counted
      where working > allowed`,
  ],
  [
    "A live execution of a sub-workflow has a moment at which it is looked at again",
    `select execution_id, status from workflow_orchestration
      where status in ${LIVE} and workflow_type <> 'master_orchestrator' and due_at is null`,
  ],
  [
    "A tick never runs before its boundary",
    "select boundary, ran_at, drift_ms from ticks where ran_at < boundary or drift_ms < 0",
  ],
  [
    "At most one recovery of a procedure is open for a subject",
    `select procedure, subject, count(*) as open from recoveries where closed_at is null
      group by procedure, subject having count(*) > 1`,
  ],
  [
    "A recovery that is closed says when, why and by whom, and ended no sooner than it began",
    `select recovery_id, procedure, subject, opened_at, closed_at, closed_by, closed_reason from recoveries
      where (closed_at is null) <> (closed_by is null) or (closed_at is null) <> (closed_reason is null)
         or closed_at < opened_at`,
  ],
  [
    "A circuit breaker and a pause that are open know when their rule looks again",
    `select recovery_id, procedure, subject, state from recoveries
      where closed_at is null and procedure in ('trip_breaker', 'trip_target', 'pause') and next_at is null`,
  ],
  [
    "What the orchestrator has paused it is going to resume: a pause of its is open",
    `select workflow_type from workflows w where paused and paused_by = 'orchestrator'
        and not exists (select from recoveries r
                         where r.procedure = 'pause' and r.subject = w.workflow_type and r.closed_at is null)`,
  ],
  [
    "What is set aside is kept whole: a fact with its content, a run and a task with their rows",
    `select set_aside_id, kind, item from set_aside s
      where (kind = 'fact') <> (fact is not null) or put_back_at is null and (
            (kind = 'run' and not exists (select from workflow_orchestration e where e.execution_id = s.execution_id))
         or (kind = 'task' and not exists (select from tasks t where t.task_id = s.task_id)))`,
  ],
  [
    "No run that is expected to cost something starts in a cycle that saw the day's budget used up",
    `select c.cycle_id, d->>'kind' as kind, d->'expects' as expects
       from cycles c cross join jsonb_array_elements(c.decisions) d
      where d->>'kind' in ('dispatch', 'retry') and (d->'expects'->>'cost_usd')::float8 > 0
        and exists (select from jsonb_array_elements(c.snapshot->'supplies'->'money') money
                     where money->>'scope' = 'all' and (money->>'used_usd')::float8 >= (money->>'cap_usd')::float8)`,
  ],
  [
    "The sums of a day equal the entries of the ledger",
    `select coalesce(e.day, t.day) as day, coalesce(e.scope, t.scope) as scope, e.settled, t.settled_micros, e.held, t.held_micros
       from (select day, scope, sum(settled)::bigint as settled, sum(held)::bigint as held
               from (select day, scopes, coalesce(cost_micros, 0) as settled,
                            case when state = 'held' then reserved_micros else 0 end as held from ledger
                      union all
                     select a.day, a.scopes, a.settled, 0 from ledger_archived a join archives using (archive_id)
                      where state = 'archived') entry,
                    unnest(scopes) scope group by day, scope) e
       full join ledger_totals t on t.day = e.day and t.scope = e.scope
      where coalesce(e.settled, 0) <> coalesce(t.settled_micros, 0) or coalesce(e.held, 0) <> coalesce(t.held_micros, 0)`,
  ],
  [
    "No provider was sent more requests within a minute than the largest limit that was ever set for it",
    `select * from (
       select entry_id, provider, granted_at, limited.most, sum(permits) over (
                partition by provider order by granted_at range between interval '59.999 seconds' preceding and current row) as sent
         from ledger join (
           select named.provider, max((p.policy->'providers'->named.provider->>'requests_per_minute')::int) as most
             from policy_versions p cross join (select distinct provider from ledger where permits > 0) named (provider)
            group by named.provider
           having bool_and(p.policy->'providers'->named.provider->>'requests_per_minute' is not null)) limited using (provider)
        where permits > 0) counted where sent > most`,
  ],
  ["Replaying the transitions of a task gives its row", tasksUnlikeTheirEvents],
  ["Replaying the transitions of an execution gives its row", executionsUnlikeTheirEvents],
  [
    "A target has received at least as many runs as there are attempts that were sent there last",
    `select sent.*, t.received from (
       select e.workflow_type, a.target, count(*) as attempts
         from attempts a join workflow_orchestration e using (execution_id)
        where a.target is not null group by e.workflow_type, a.target) sent
       left join targets t on t.workflow_type = sent.workflow_type and t.name = sent.target
      where sent.attempts > coalesce(t.received, 0)`,
  ],
  [
    "A target with failures in a row says when it failed last, and how",
    `select workflow_type, name, unanswered_in_row, failed_in_row from targets
      where unanswered_in_row + failed_in_row > 0 and (last_failure_at is null or last_failure is null)`,
  ],
];

export const INVARIANTS: readonly Invariant[] = STATEMENTS.map(([sentence, violations], i) => ({
  number: i + 1,
  sentence,
  violations,
}));

/** Checks every invariant on one consistent view of the database. Reads everything: not for every minute. */
export async function checkInvariants(db: Database): Promise<InvariantVerdict[]> {
  return await db.transaction(async (tx) => {
    await tx.query("set transaction isolation level repeatable read, read only");
    await tx.query("set local statement_timeout = '10min'");
    const verdicts: InvariantVerdict[] = [];
    for (const { number, sentence, violations } of INVARIANTS) {
      verdicts.push({ number, sentence, rows: await violating(tx, violations) });
    }
    return verdicts;
  });
}

async function violating(tx: Queryable, violations: Invariant["violations"]): Promise<Row[]> {
  if (typeof violations !== "string") return await violations(tx, MAX_ROWS);
  return (await tx.query(`select * from (${violations}) violating limit ${MAX_ROWS}`)).rows;
}

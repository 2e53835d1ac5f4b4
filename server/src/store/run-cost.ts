/** Owns what a run cost: an expression on a row of workflow_orchestration. */

/** Millionths of a dollar: what the run reported, or what the ledger metered of it where that is more: it may report nothing. */
export const runCost = (row: string) =>
  `greatest(${row}.cost_micros, (select sum(l.cost_micros) from ledger l
    where l.execution_id = ${row}.execution_id and l.state = 'settled'))::bigint`;

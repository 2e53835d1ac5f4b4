/** Words of the wire for the ledger's rows. Reads nothing. */
import type { Row } from "#store/database.ts";
import { time, usd } from "./present.ts";

export { time, usd };

export function ledgerEntry(row: Row) {
  return {
    entry_id: row.entry_id,
    source: row.source,
    state: row.state,
    outcome: row.outcome,
    day: row.utc_day,
    provider: row.provider,
    model: row.models[0] ?? null,
    asked_model: row.asked_model,
    fallback: row.fallback,
    operation: row.operation,
    workflow_type: row.workflow_type,
    content_type: row.content_type,
    execution_id: row.execution_id,
    attempt: row.attempt,
    run: row.run,
    actor: row.actor,
    permits: row.permits,
    reserved_usd: usd(row.reserved_micros),
    cost_usd: usd(row.cost_micros),
    input_tokens: row.input_tokens,
    cached_input_tokens: row.cached_input_tokens,
    output_tokens: row.output_tokens,
    thinking_tokens: row.thinking_tokens,
    price_version: row.price_version,
    http_status: row.http_status,
    granted_at: time(row.granted_at),
    settled_at: time(row.settled_at),
  };
}

export function ledgerGroup(group: Row) {
  return {
    name: group.name,
    calls: group.calls,
    reserved_usd: usd(group.reserved),
    settled_usd: usd(group.settled),
    held_usd: usd(group.held),
    released_usd: usd(group.released),
    assumed_usd: usd(group.assumed),
    input_tokens: group.input_tokens,
    output_tokens: group.output_tokens,
  };
}

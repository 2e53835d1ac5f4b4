/** The ledger over HTTP, and the doors for calls that cannot pass the gateway: permits before, usage after. */
import {
  LedgerList,
  LedgerQuery,
  LedgerSummary,
  PermitAnswer,
  PermitRequest,
  Problem,
  SummaryQuery,
  UsageReport,
} from "@master-orchestrator/contract";
import { v7 as uuidv7 } from "uuid";
import { z } from "zod";
import { GRANT_TO_WIRE_MS } from "#core/governor.ts";
import { microsOf } from "#core/price.ts";
import type { Governor, GovernorClock } from "#gateway/governor.ts";
import { findPrice } from "#gateway/prices.ts";
import type { Database } from "#store/database.ts";
import { recordUsage, UNKNOWN } from "#store/ledger.ts";
import { findEntry, listLedger, reconcile } from "#store/ledger-views.ts";
import type { Ask } from "#store/permits.ts";
import type { StoredPolicy } from "#store/policies.ts";
import { pagesOf } from "../cursor.ts";
import { ledgerEntry, ledgerGroup, time, usd } from "../present-ledger.ts";
import { wrongField } from "../problem.ts";
import { actorOf, type Caller, defineRoute, type Route } from "../route.ts";

export interface BudgetRoutesContext {
  db: Database;
  governor: Governor;
  clock: GovernorClock;
}

/** Within this time the usage of a permit has to be reported; then its worst case is charged. */
const REPORT_WITHIN_MS = 10 * 60_000;
const UsageAnswer = z
  .object({ entry_id: z.uuid(), cost_usd: z.number(), duplicate: z.boolean() })
  .meta({ id: "UsageAnswer" });

export function budgetRoutes(context: BudgetRoutesContext): Route[] {
  return [ledgerRoute(context), summaryRoute(context), permitRoute(context), usageRoute(context)];
}

function ledgerRoute({ db }: BudgetRoutesContext): Route {
  return defineRoute({
    method: "GET",
    path: "/api/v1/budget/ledger",
    summary: "List what calls were reserved and cost, newest first",
    tag: "Budget",
    access: "viewer",
    query: LedgerQuery,
    answers: { 200: LedgerList },
    async handle({ query }) {
      const pages = pagesOf("ledger", query);
      const rows = await listLedger(db, {
        day: query.day,
        state: query.state,
        provider: query.provider,
        executionId: query.execution_id,
        taskId: query.task_id,
        fallback: query.fallback === "true",
        before: pages.after(),
        limit: query.limit,
      });
      const next_cursor = pages.next(rows, (row) => row.entry_id);
      return { status: 200, body: { entries: rows.map(ledgerEntry), next_cursor } };
    },
  });
}

function summaryRoute({ db }: BudgetRoutesContext): Route {
  return defineRoute({
    method: "GET",
    path: "/api/v1/budget/summary",
    summary: "Reconcile a day: what was reserved, settled and released, by whom",
    tag: "Budget",
    access: "viewer",
    query: SummaryQuery,
    answers: { 200: LedgerSummary },
    async handle({ query }) {
      const { day, capMicros, agrees, total, groups } = await reconcile(db, query.day ?? null, query.by);
      return {
        status: 200,
        body: {
          day,
          by: query.by,
          daily_usd: usd(capMicros),
          reserved_usd: usd(total.reserved),
          settled_usd: usd(total.settled),
          held_usd: usd(total.held),
          released_usd: usd(total.released),
          assumed_usd: usd(total.assumed),
          agrees,
          groups: groups.map(ledgerGroup),
        },
      };
    },
  });
}

function permitRoute(context: BudgetRoutesContext): Route {
  return defineRoute({
    method: "POST",
    path: "/api/v1/permits",
    summary: "Take permits, and set money aside, for calls that cannot pass the gateway",
    description: "All or nothing. Send the calls at once; then report what they used: POST /api/v1/usage.",
    tag: "Budget",
    access: ["worker", "execution"],
    body: PermitRequest,
    answers: { 200: PermitAnswer },
    handle: async ({ body, caller, signal }) => ({
      status: 200,
      body: await takePermits(context, body, caller, signal),
    }),
  });
}

async function takePermits(
  { governor, clock }: BudgetRoutesContext,
  request: PermitRequest,
  caller: Caller,
  signal: AbortSignal,
): Promise<PermitAnswer> {
  const entryId = uuidv7();
  const { outcome, askedMs, ask } = await governor.admit(
    (policy) => askFor(request, caller, entryId, policy, clock.nowMs()),
    { holdMs: request.wait_seconds * 1000, signal },
  );
  const askedAtMs = clock.nowMs() - (clock.monotonicMs() - askedMs);
  if (outcome.verdict === "granted") {
    return {
      permit_id: entryId,
      provider: request.provider,
      count: request.count,
      reserved_usd: usd(ask.reservedMicros),
      use_before: time(askedAtMs + GRANT_TO_WIRE_MS),
      report_before: time(askedAtMs + REPORT_WITHIN_MS),
    };
  }
  if (outcome.verdict === "stale") {
    throw new Problem("stale_attempt", "the attempt is over", "Stop here; a newer one may be at work.");
  }
  if (outcome.verdict === "over_budget") {
    const { scope, capMicros, usedMicros } = outcome;
    throw new Problem(
      "budget_exhausted",
      `${scope}: $${usd(usedMicros)} of $${usd(capMicros)} are spent or set aside; this needs $${usd(ask.reservedMicros)}`,
      "Ask for less, wait for the next UTC day, or raise `budget` in the policy.",
      { scope, cap_usd: usd(capMicros), used_usd: usd(usedMicros) },
    );
  }
  if (outcome.verdict === "gone") throw new Problem("invalid_request", "the client has left", "Stay.");
  const seconds = outcome.verdict === "never" ? undefined : outcome.waitMs / 1000;
  throw new Problem(
    "rate_limit_exceeded",
    seconds === undefined
      ? `${outcome.limit} never lets that much through at once`
      : `${outcome.limit}: the next permit is free in ${seconds.toFixed(3)} s`,
    seconds === undefined
      ? "Ask for less, or raise the limit in the policy."
      : "Ask again then, or set wait_seconds.",
    { limit: outcome.limit, retry_after_seconds: seconds },
  );
}

function askFor(
  request: PermitRequest,
  caller: Caller,
  entryId: string,
  policy: StoredPolicy,
  nowMs: number,
): Ask {
  const { provider, model, max_input_tokens: input, max_output_tokens: output } = request;
  const price = model === undefined ? null : findPrice(provider, model, policy, nowMs);
  if (model !== undefined && price === null && request.max_cost_usd === undefined) throw unknownModel(model);
  const worst = price?.worst({ input, output, media: true }) ?? 0;
  const execution = caller.kind === "execution" ? caller : null;
  return {
    entryId,
    source: "permit",
    provider,
    models: model === undefined ? [] : [...new Set([model, price?.name ?? model])],
    askedModel: model ?? null,
    fallback: null,
    operation: "permit",
    permits: request.count,
    reservedMicros: request.max_cost_usd === undefined ? worst : microsOf(request.max_cost_usd),
    inputTokens: input,
    outputTokens: output,
    priceVersion: price?.version ?? null,
    executionId: execution?.executionId ?? null,
    attempt: execution?.attempt ?? null,
    workflowType: null,
    run: null,
    actor: actorOf(caller),
    replicaId: null,
    wait: request.wait_seconds > 0,
    deadlineMs: REPORT_WITHIN_MS,
  };
}

function unknownModel(model: string): Problem {
  return new Problem(
    "unknown_model",
    `the model "${model}" has no price`,
    "Check its name, give it a price in the policy (prices), or say the cost in dollars.",
  );
}

function usageRoute(context: BudgetRoutesContext): Route {
  return defineRoute({
    method: "POST",
    path: "/api/v1/usage",
    summary: "Report what calls used that did not pass the gateway",
    tag: "Budget",
    access: ["worker", "execution"],
    body: UsageReport,
    answers: { 200: UsageAnswer },
    handle: async ({ body, caller }) => ({
      status: 200,
      body:
        body.permit_id === undefined
          ? await reportAlone(context, body, caller)
          : await reportPermit(context, body.permit_id, body, caller),
    }),
  });
}

async function reportPermit(
  { db, governor, clock }: BudgetRoutesContext,
  permitId: string,
  report: UsageReport,
  caller: Caller,
) {
  const entry = await findEntry(db, permitId);
  const own = entry?.actor === actorOf(caller) || (caller.kind === "key" && caller.role !== "worker");
  if (entry?.source !== "permit" || !own) {
    throw new Problem(
      "not_found",
      `there is no permit ${permitId} of yours`,
      "Use permit_id of POST /api/v1/permits.",
    );
  }
  const unused = report.unused === true;
  const model = report.model ?? entry.models[0];
  const costMicros = unused
    ? 0
    : cost(report, entry.provider, model, await governor.policy(), clock.nowMs()).micros;
  const open = entry.state === "held" || entry.outcome === "assumed";
  if (open) {
    await governor.settle({
      ...UNKNOWN,
      entryId: permitId,
      ...(unused
        ? { state: "released", outcome: "never_sent" }
        : {
            outcome: "reported",
            costMicros,
            inputTokens: report.input_tokens ?? 0,
            cachedInputTokens: report.cached_input_tokens ?? 0,
            outputTokens: report.output_tokens ?? 0,
          }),
    });
  }
  return {
    entry_id: permitId,
    cost_usd: usd(open ? costMicros : (entry.cost_micros ?? 0)),
    duplicate: !open,
  };
}

async function reportAlone(
  { db, governor, clock }: BudgetRoutesContext,
  report: UsageReport,
  caller: Caller,
) {
  if (report.unused) throw wrongField("/permit_id", "is needed to give a permit back");
  if (report.provider === undefined) throw wrongField("/provider", "is needed without permit_id");
  const { micros, priceVersion } = cost(
    report,
    report.provider,
    report.model,
    await governor.policy(),
    clock.nowMs(),
  );
  const actor = actorOf(caller);
  const execution = caller.kind === "execution" ? caller : null;
  const recorded = await recordUsage(db, {
    reportKey: report.idempotency_key === undefined ? null : `${actor}: ${report.idempotency_key}`,
    provider: report.provider,
    models: report.model === undefined ? [] : [report.model],
    executionId: execution?.executionId ?? null,
    attempt: execution?.attempt ?? null,
    workflowType: null,
    run: null,
    actor,
    costMicros: micros,
    inputTokens: report.input_tokens ?? null,
    cachedInputTokens: report.cached_input_tokens ?? null,
    outputTokens: report.output_tokens ?? null,
    priceVersion,
  });
  return {
    entry_id: recorded.entryId,
    cost_usd: usd(recorded.costMicros),
    duplicate: recorded.duplicate,
  };
}

/** Throws Problem `unknown_model`, or `validation_failed` for a report that says too little. */
function cost(
  report: UsageReport,
  provider: string,
  model: string | undefined,
  policy: StoredPolicy,
  nowMs: number,
): { micros: number; priceVersion: string | null } {
  if (report.cost_usd !== undefined) return { micros: microsOf(report.cost_usd), priceVersion: null };
  if (model === undefined) throw wrongField("/cost_usd", "is needed where no model is named");
  const price = findPrice(provider, model, policy, nowMs);
  if (!price) throw unknownModel(model);
  if (report.input_tokens === undefined) throw wrongField("/input_tokens", "is needed without cost_usd");
  const micros = price.cost({
    input: report.input_tokens,
    cachedInput: report.cached_input_tokens ?? 0,
    cacheWrite: 0,
    audioInput: 0,
    output: report.output_tokens ?? 0,
    thinking: 0,
    audioOutput: 0,
    imageOutput: 0,
  });
  if (micros === null || (report.cached_input_tokens ?? 0) > report.input_tokens) {
    throw wrongField("/cached_input_tokens", "cached tokens are part of input_tokens");
  }
  return { micros, priceVersion: price.version };
}

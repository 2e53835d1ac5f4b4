/** The walk of one AI call: read, price, admit, send, meter, settle. Each step lives elsewhere; refusals are values. */
import { chooseFallback, type Fallback, outruns } from "#core/fallback.ts";
import { GRANT_TO_WIRE_MS } from "#core/governor.ts";
import { type BudgetState, readBudget } from "#store/ledger-views.ts";
import type { Ask } from "#store/permits.ts";
import type { StoredPolicy } from "#store/policies.ts";
import { createCircuit } from "./circuit.ts";
import { newEntryId } from "./entry-id.ts";
import type { Admission } from "./governor.ts";
import { createLaneModels } from "./lane-model.ts";
import { operationOf } from "./operations.ts";
import { findPrice } from "./prices.ts";
import { type ProviderName, type Refusal, refusal } from "./providers.ts";
import { readCall } from "./request.ts";
import { send } from "./send.ts";
import { tracePermit } from "./spans.ts";
import { createTiming } from "./timing.ts";
import {
  DEADLINE_MS,
  type GatewayAnswer,
  type GatewayCall,
  type GatewayContext,
  type Target,
  type Walk,
} from "./walk.ts";

export interface Gateway {
  call(call: GatewayCall): Promise<GatewayAnswer | Refusal>;
}

/** How often a call may miss its time to the wire before it is given up. */
const MAX_SENDINGS = 3;
/** The day's money, for choosing cheaper models, may be this old. */
const SPENDING_MS = 5_000;

export function createGateway(context: GatewayContext): Gateway {
  const circuit = createCircuit(context.clock.monotonicMs);
  const spending = spendingView(context);
  const laneModel = createLaneModels(context.db);
  return {
    async call(call) {
      const operation = operationOf(call.provider, call.method, call.path);
      if (operation === null) return unknownPath(call);
      const read = readCall(operation, call.body);
      if ("code" in read) return read;
      const policy = await context.governor.policy();
      const down = circuit.isDown(call.provider);
      const ahead =
        policy.policy.fallbacks.some(({ when }) => when === "budget_pace") && (await spending(policy));
      const timing = createTiming(context.clock.monotonicMs);
      const walk = { context, call, operation, read, circuit, timing };
      const { executionId } = call.attribution;
      const chosen =
        fallbackFor(walk, policy, { down, ahead }) ??
        able(walk, await laneModel(policy.policy, { executionId, model: read.model }));
      const first = await attempt(walk, chosen);
      // A provider that could not even be reached: another one may be, in the same call.
      const spare =
        first.unreached && (!chosen || chosen.when === "lane")
          ? fallbackFor(walk, policy, { down: true, ahead: false })
          : null;
      const { answer } = spare ? await attempt(walk, spare) : first;
      return "code" in answer ? answer : withTiming(answer, timing.header());
    },
  };
}

/** A provider's own words about its time stay. */
function withTiming(answer: GatewayAnswer, ours: string): GatewayAnswer {
  const theirs = answer.headers["server-timing"];
  const all = theirs === undefined ? ours : `${theirs}, ${ours}`;
  return { ...answer, headers: { ...answer.headers, "server-timing": all } };
}

function unknownPath({ method, path }: GatewayCall): Refusal {
  return refusal(
    404,
    "unsupported_path",
    `${method} ${path.slice(0, 200)} does not pass the gateway: what it costs could not be known`,
    "See docs/governor.md for what passes; call the provider directly and report by POST /api/v1/permits and /api/v1/usage",
  );
}

function fallbackFor(
  walk: Omit<Walk, "entryId">,
  { policy }: StoredPolicy,
  now: { down: boolean; ahead: boolean },
): Fallback | null {
  return chooseFallback(
    policy.fallbacks.filter((fallback) => able(walk, fallback) !== null),
    walk.read.model,
    now,
  );
}

/** Calls of OpenAI's form can go to Gemini; any other stays with its provider. */
function able<F extends Fallback>({ call, operation }: Omit<Walk, "entryId">, fallback: F | null): F | null {
  if (operation.form === "free" || fallback === null) return null;
  const { provider = call.provider, when } = fallback;
  if (provider === call.provider) return when === "provider_down" ? null : fallback;
  const understood = call.provider === "openai" && provider === "gemini" && AS_OPENAI.has(operation.form);
  return understood ? fallback : null;
}

/** What Gemini understands in OpenAI's form. */
const AS_OPENAI = new Set(["chat", "embeddings"]);

/** Where the call goes under this policy; null for a model without a price. */
function targetOf(
  walk: Omit<Walk, "entryId">,
  fallback: Fallback | null,
  policy: StoredPolicy,
): Target | null {
  const { call, operation, read, context } = walk;
  const provider = fallback?.provider ?? call.provider;
  const model = fallback?.to ?? read.model;
  if (operation.form === "free") return { provider, model, fallback, price: null };
  const price = findPrice(provider, model, policy, context.clock.nowMs());
  return price && { provider, model, fallback, price };
}

/** One target, from its permit to its answer. `unreached`: the provider certainly got nothing, and is not there. */
async function attempt(
  walk: Omit<Walk, "entryId">,
  fallback: Fallback | null,
): Promise<{ answer: GatewayAnswer | Refusal; unreached: boolean }> {
  const { context, call } = walk;
  const holdMs = (await context.governor.policy()).policy.gateway.hold_seconds * 1000;
  for (let sendings = 1; ; sendings++) {
    const entryId = newEntryId();
    let target: Target | null = null;
    const policy = await context.governor.policy();
    target = targetOf(walk, fallback, policy);
    if (target === null) return { answer: unknownModel(fallback?.to ?? walk.read.model), unreached: false };
    const settings = context.providers[target.provider];
    const { apiKey } = settings;
    if (apiKey === null) return { answer: providerOff(target.provider), unreached: true };
    const askedMs = context.clock.nowMs();
    const admitted = context.governor.admit(
      (inForce) => {
        target = targetOf(walk, fallback, inForce) ?? target;
        return askFor({ ...walk, entryId }, target as Target);
      },
      { holdMs, signal: call.gone },
    );
    const admission = await walk.timing.of("permit", admitted);
    tracePermit(walk, askedMs, admission.outcome.verdict);
    const refused = refusalOf(admission, call);
    if (refused) return { answer: refused, unreached: false };
    const mayBegin = () => context.clock.monotonicMs() - admission.askedMs <= GRANT_TO_WIRE_MS;
    const sent = await send(
      { ...walk, entryId },
      target,
      { ...settings, apiKey },
      { mayBegin, ask: admission.ask },
    );
    if (sent.tooLate && sendings < MAX_SENDINGS) continue;
    return sent;
  }
}

/** Worst cases of a call: a token of the prompt has at least one byte, and an answer no more tokens than it may have. */
function askFor(
  { call, operation, read, entryId, context }: Walk,
  { provider, model, fallback, price }: Target,
): Ask {
  const inputTokens = price === null ? 0 : (read.inputTokens ?? price.mostInput);
  const outputTokens = price === null ? 0 : (read.outputTokens ?? price.mostOutput) * read.answers;
  const { executionId, attempt: number, run, actor } = call.attribution;
  return {
    entryId,
    source: "gateway",
    provider,
    models: [...new Set([model, price?.name ?? model])].filter((name) => name !== ""),
    askedModel: read.model || null,
    fallback: fallback && `${fallback.model} to ${fallback.to}: ${fallback.when}`,
    operation: operation.name,
    permits: 1,
    reservedMicros: price?.worst({ input: inputTokens, output: outputTokens, media: read.media }) ?? 0,
    inputTokens,
    outputTokens,
    priceVersion: price?.version ?? null,
    executionId,
    attempt: number,
    workflowType: null,
    run,
    actor,
    replicaId: context.replicaId(),
    wait: true,
    deadlineMs: DEADLINE_MS,
  };
}

/** Null for a grant. */
function refusalOf({ outcome }: Admission, { provider }: GatewayCall): Refusal | null {
  switch (outcome.verdict) {
    case "granted":
      return null;
    case "stale":
      return refusal(
        401,
        "invalid_api_key",
        "the attempt that this token belongs to is over",
        "Use the token of the dispatch that is being worked on",
      );
    case "over_budget": {
      const { scope, capMicros, usedMicros } = outcome;
      const what = scope === "all" ? "the day's budget" : `the day's cap of ${scope.replace(":", " ")}`;
      return refusal(
        402,
        "budget_exhausted",
        `${what} of $${dollars(capMicros)} does not allow this call: $${dollars(usedMicros)} are spent or set aside`,
        "Ask for fewer tokens, wait for the next UTC day, or raise `budget` in the policy",
      );
    }
    case "never":
      return refusal(
        429,
        "rate_limit_exceeded",
        `the call needs more than ${outcome.limit} of ${outcome.most} ever lets through`,
        "Make it smaller, or raise the limit under `providers` in the policy",
      );
    case "too_far":
      return refusal(
        429,
        "rate_limit_exceeded",
        `no permit of ${provider} is free in time (${outcome.limit}); the next one is in ${Math.ceil(outcome.waitMs / 1000)} s`,
        "Try again then",
        outcome.waitMs,
      );
    case "gone":
      return refusal(499, "client_closed_request", "the client has left", "Stay until the answer comes");
  }
}

function dollars(micros: number): string {
  return (micros / 1e6).toFixed(6);
}

function unknownModel(model: string): Refusal {
  return refusal(
    422,
    "unknown_model",
    `the model "${model}" has no price, so that it could break the budget`,
    "Check its name, or give it a price in the policy: prices",
  );
}

function providerOff(provider: ProviderName): Refusal {
  const setting = `${provider.toUpperCase()}_API_KEY`;
  return refusal(
    503,
    "provider_off",
    `the provider ${provider} is off`,
    `Set ${setting} and start the service again`,
  );
}

/** Whether the day's money runs ahead, looked at every few seconds at the most. */
function spendingView({ db, clock }: GatewayContext): (policy: StoredPolicy) => Promise<boolean> {
  let seen: { state: Promise<BudgetState>; atMs: number } | null = null;
  return async ({ policy }) => {
    const nowMs = clock.monotonicMs();
    if (seen === null || nowMs - seen.atMs >= SPENDING_MS) seen = { state: readBudget(db), atMs: nowMs };
    const { capMicros, settledMicros, heldMicros, elapsed } = await seen.state;
    return outruns({ usedMicros: settledMicros + heldMicros, capMicros, elapsed }, policy);
  };
}

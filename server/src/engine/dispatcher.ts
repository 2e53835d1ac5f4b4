/** Posts messages from the outbox to sub-workflows and records how it went. Never decides what that means. */
import type { KeyObject } from "node:crypto";
import { type Callback, targetsOf } from "@master-orchestrator/contract";
import type { Tracer } from "@master-orchestrator/contract/trace";
import type { Outbound } from "#outbound/client.ts";
import { OutboundFailure } from "#outbound/failure.ts";
import type { Database } from "#store/database.ts";
import { type Delivery, wantedDeliveries } from "#store/deliveries.ts";
import {
  type CallbackVerdict,
  type DeliveryOutcome,
  recordCallbacks,
  recordDeliveries,
} from "#store/facts.ts";
import { groupCommit } from "#store/group-commit.ts";
import type { Message, Outbox } from "#store/outbox.ts";
import { type Meaning, readAnswer } from "./answer.ts";
import type { Clock } from "./clock.ts";
import { composeMessage } from "./message.ts";
import { type DeliveryTrace, deliverySpan, traceDelivery } from "./spans.ts";

/** How long an answer to a webhook is awaited. */
export const ANSWER_WITHIN_MS = 10_000;
const MAX_IN_FLIGHT = 250;
/** How often the outbox is looked at without a wake-up: for messages that another replica left. */
const POLL_MS = 1_000;
/** How long messages gather between two looks for them, and outcomes between two writes of them. */
const GATHER_MS = 8;

export interface BuiltInTarget {
  url: string;
  signingSecret: string;
}

export interface DispatcherContext {
  db: Database;
  outbox: Outbox;
  outbound: Outbound;
  clock: Clock;
  tokenSecret: KeyObject;
  publicUrl: string;
  /** Where this process itself serves the built-in workflows, and the base of their callbacks. */
  builtIns: { baseUrl: string; targets: ReadonlyMap<string, BuiltInTarget> };
  /** Facts were recorded: let a cycle look. */
  onFacts(): void;
  /** Only that a message was accepted: a cycle may look a little later. */
  onSignOfLife(): void;
  onError(error: unknown): void;
  /** Null: nothing is traced. */
  tracer: Tracer | null;
}

export interface Dispatcher {
  /** There may be messages: take them now. */
  wake(): void;
  /** Takes nothing more; resolves when what is in flight has ended, or after `deadlineMs`. */
  stop(deadlineMs: number): Promise<void>;
}

interface DispatcherState {
  context: DispatcherContext;
  stopped: boolean;
  taking: boolean;
  /** The last look into the outbox; pending while `taking`. */
  taken: Promise<void>;
  wanted: boolean;
  inFlight: Set<Promise<void>>;
  record(delivered: Delivered): Promise<undefined>;
  cancelPoll: () => void;
}

export function startDispatcher(context: DispatcherContext): Dispatcher {
  const state: DispatcherState = {
    context,
    stopped: false,
    taking: false,
    taken: Promise.resolve(),
    wanted: true,
    inFlight: new Set(),
    record: groupCommit((delivered) => recordAll(context, delivered), {
      maxItems: MAX_IN_FLIGHT,
      keyOf: ({ delivery }) => `${delivery.executionId}:${delivery.attempt}`,
      gather: () => context.clock.gather(GATHER_MS),
    }),
    cancelPoll: () => {},
  };
  take(state);
  return {
    wake() {
      state.wanted = true;
      take(state);
    },
    async stop(deadlineMs) {
      state.stopped = true;
      state.cancelPoll();
      const { promise, resolve } = Promise.withResolvers<void>();
      const cancel = context.clock.at(context.clock.nowMs() + deadlineMs, resolve);
      await Promise.race([promise, drained(state)]);
      cancel();
    },
  };
}

/** What was taken from the outbox is posted and recorded too, also when it was taken at the last moment. */
async function drained(state: DispatcherState): Promise<void> {
  await state.taken;
  await Promise.allSettled(state.inFlight);
}

function take(state: DispatcherState): void {
  if (state.taking || state.stopped) return;
  state.taking = true;
  state.taken = takeAll(state);
}

async function takeAll(state: DispatcherState): Promise<void> {
  try {
    while (state.wanted && !state.stopped && state.inFlight.size < MAX_IN_FLIGHT) {
      state.wanted = false;
      const limit = MAX_IN_FLIGHT - state.inFlight.size;
      const { messages, more, removed } = await state.context.outbox.take(limit);
      // Without more these were all. A wake-up that came during the look is not lost.
      if (more) state.wanted = true;
      await deliverAll(state, messages);
      await removed;
      await state.context.clock.gather(GATHER_MS);
    }
  } catch (error) {
    state.context.onError(error);
  } finally {
    state.taking = false;
    armPoll(state);
  }
}

function armPoll(state: DispatcherState): void {
  state.cancelPoll();
  if (state.stopped) return;
  const { clock } = state.context;
  state.cancelPoll = clock.at(clock.nowMs() + POLL_MS, () => {
    state.wanted = true;
    take(state);
  });
}

async function deliverAll(state: DispatcherState, messages: Message[]): Promise<void> {
  const { context } = state;
  for (const delivery of await wantedDeliveries(context.db.byKey, messages)) {
    const flight = deliver(state, delivery)
      .catch(context.onError)
      .finally(() => {
        state.inFlight.delete(flight);
        if (state.wanted) take(state);
      });
    state.inFlight.add(flight);
  }
}

/** Posts one message and hands in its outcome. Slow ones keep nobody waiting: each is recorded when it ends. */
async function deliver(state: DispatcherState, delivery: Delivery): Promise<void> {
  const { clock, tracer } = state.context;
  const trace = traceDelivery(delivery);
  const startMs = clock.nowMs();
  const beganMs = clock.monotonicMs();
  const meaning = await post(state.context, delivery, trace);
  const tookMs = clock.monotonicMs() - beganMs;
  tracer?.(deliverySpan(delivery, trace, { meaning, startMs, endMs: startMs + tookMs }));
  await state.record({ delivery, meaning, tookMs });
  if (meaning.outcome === "accepted") state.context.onSignOfLife();
  else state.context.onFacts();
}

interface Delivered {
  delivery: Delivery;
  meaning: Meaning;
  tookMs: number;
}

/** Records all that ended while the last ones were being written. */
async function recordAll({ db }: DispatcherContext, delivered: Delivered[]): Promise<undefined[]> {
  const outcomes = delivered.flatMap(({ delivery, meaning, tookMs }) =>
    meaning.outcome === "callback" ? [] : [outcomeOf(delivery, meaning, tookMs)],
  );
  const answers = delivered.flatMap(({ delivery, meaning }) =>
    meaning.outcome === "callback" ? [{ delivery, callback: meaning.callback }] : [],
  );
  if (answers.length > 0) outcomes.push(...(await recordAnswers(db, answers)));
  await recordDeliveries(db.byKey, outcomes);
  return delivered.map(() => undefined);
}

async function post(context: DispatcherContext, delivery: Delivery, trace: DeliveryTrace): Promise<Meaning> {
  const { clock } = context;
  const target = targetOf(context, delivery);
  if (target === "removed") {
    const message = `${delivery.target} is no target of ${delivery.workflowType} any more`;
    return { outcome: "unknown", message, maybeReceived: false };
  }
  if (!target) return { outcome: "refused", message: `${delivery.workflowType} has no webhook to post to` };
  const { body, headers } = composeMessage(delivery, {
    tokenSecret: context.tokenSecret,
    baseUrl: target.baseUrl,
    signingSecret: target.signingSecret,
    nowMs: clock.nowMs(),
    trace,
    traced: context.tracer !== null,
  });
  const late = new AbortController();
  const cancel = clock.at(clock.nowMs() + ANSWER_WITHIN_MS, () => late.abort());
  try {
    const answer = await context.outbound.post(target.url, {
      headers,
      body,
      signal: late.signal,
      timeoutMs: 2 * ANSWER_WITHIN_MS,
      own: target.own,
    });
    const accept = delivery.settings.accept ?? "json_accepted";
    return readAnswer(answer, { attempt: delivery.attempt, accept, nowMs: clock.nowMs() });
  } catch (error) {
    if (!(error instanceof OutboundFailure)) throw error;
    const { message, maybeReceived } = error;
    if (error.kind === "refused_by_guard") return { outcome: "refused", message };
    return { outcome: "unknown", message, maybeReceived };
  } finally {
    cancel();
  }
}

interface Target {
  url: string;
  baseUrl: string;
  signingSecret: string | null;
  own: boolean;
}

/**
 * Where to post: the target that the plan has chosen, by its address as it is now; else this process's own built-in workflow.
 * `removed`: the workflow has other targets by now.
 */
function targetOf(context: DispatcherContext, delivery: Delivery): Target | "removed" | null {
  const { settings, signingSecret } = delivery;
  const registered = targetsOf(settings);
  const chosen = registered.find(({ name }) => delivery.target === null || name === delivery.target);
  if (chosen) return { url: chosen.url, baseUrl: context.publicUrl, signingSecret, own: false };
  if (registered.length > 0) return "removed";
  const builtIn = context.builtIns.targets.get(delivery.workflowType);
  if (!builtIn) return null;
  return {
    url: builtIn.url,
    baseUrl: context.builtIns.baseUrl,
    signingSecret: builtIn.signingSecret,
    own: true,
  };
}

function outcomeOf(
  delivery: Delivery,
  meaning: Exclude<Meaning, { outcome: "callback" }>,
  tookMs: number | null = null,
): DeliveryOutcome {
  return {
    executionId: delivery.executionId,
    attempt: delivery.attempt,
    delivery: delivery.delivery,
    outcome: meaning.outcome,
    retryAfterMs: meaning.outcome === "snoozed" ? meaning.retryAfterMs : null,
    message: meaning.message,
    maybeReceived: meaning.outcome !== "unknown" || meaning.maybeReceived,
    tookMs: meaning.outcome === "accepted" ? tookMs : null,
  };
}

/** Answers that are callbacks go the way of every callback; one that names foreign tasks is refused. */
async function recordAnswers(
  db: Database,
  answers: readonly { delivery: Delivery; callback: Callback }[],
): Promise<DeliveryOutcome[]> {
  const reports = answers.map(({ delivery, callback }) => ({ executionId: delivery.executionId, callback }));
  const verdicts = await recordCallbacks(db.byKey, reports);
  return answers.flatMap(({ delivery, callback }, i) => {
    const verdict = verdicts[i] as CallbackVerdict;
    if (verdict.verdict !== "foreign_tasks" && verdict.verdict !== "ahead") return [];
    const message =
      verdict.verdict === "ahead"
        ? `the answer is for attempt ${callback.attempt}`
        : `the answer names tasks that were not dispatched: ${verdict.taskIds.slice(0, 3).join(", ")}`;
    return [outcomeOf(delivery, { outcome: "refused", message })];
  });
}

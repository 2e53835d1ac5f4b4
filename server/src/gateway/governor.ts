/** Owns the way to a permit and back: asks in groups, waits in line, settles. Judges nothing itself: the database does, under one lock. */
import { believableSpan, clockStepMs, GRACE_MS, type Sighting } from "#core/governor.ts";
import type { Log } from "#log.ts";
import type { Database } from "#store/database.ts";
import { groupCommit } from "#store/group-commit.ts";
import { type Settlement, settle } from "#store/ledger.ts";
import {
  type AdmitAnswer,
  type Ask,
  admit,
  leaveLine,
  readGovernorClock,
  takeOffStep,
  type Verdict,
} from "#store/permits.ts";
import { currentPolicy, type StoredPolicy } from "#store/policies.ts";

/** The part of the process's clock that waiting needs. */
export interface GovernorClock {
  nowMs(): number;
  monotonicMs(): number;
  at(atMs: number, action: () => void): () => void;
}

export interface GovernorContext {
  db: Database;
  clock: GovernorClock;
  log: Log;
}

/** What a call needs, priced by the policy that it is given. */
export type PricedAsk = (policy: StoredPolicy) => Ask;

export type Outcome =
  | Exclude<Verdict, { verdict: "wait" }>
  | { verdict: "too_far"; limit: string; waitMs: number }
  | { verdict: "gone" };

export interface Admission {
  outcome: Outcome;
  /** The monotonic moment at which the deciding question was sent: a grant is no older. */
  askedMs: number;
  ask: Ask;
}

export interface Governor {
  /** The policy in force, as far as this process knows; a grant is always made by the newest. */
  policy(): Promise<StoredPolicy>;
  /** Waits in line for at most `holdMs`; `signal`: the caller is gone. */
  admit(priced: PricedAsk, options: { holdMs: number; signal?: AbortSignal }): Promise<Admission>;
  /** Resolves when it is committed. */
  settle(settlement: Settlement): Promise<void>;
  /** Looks at the governor's clock, so that a step of it is noticed while nobody calls. */
  watchClock(): Promise<void>;
}

/** Asks are small; a group is one statement under the lock. */
const MAX_GROUP = 50;
/** One who waits asks again at least this often, or the place in the line is lost. */
const ASK_AGAIN_MS = 2_000;
/** How often a question is put again because the policy or the clock had moved. */
const MAX_TRIES = 10;

export function createGovernor(context: GovernorContext): Governor {
  const { db, clock, log } = context;
  const watch = clockWatch(context);
  let known: StoredPolicy | null = null;
  /** Called when a permit may have become free here. */
  const pokes = new Set<() => void>();

  const policy = async () => {
    known ??= await currentPolicy(db);
    if (known === null) throw new Error("there is no policy");
    return known;
  };

  /** One statement for what gathers; null for those that have to be priced or timed again. */
  const judge = groupCommit(
    async (questions: { ask: Ask; version: number }[]) => {
      const version = questions[0]?.version as number;
      const same = questions.filter((question) => question.version === version);
      const asks = same.map(({ ask }) => ask);
      const { answer, sentMs } = await watch.during(() =>
        admit(db, asks, { policyVersion: version, believable: watch.believable(), graceMs: GRACE_MS }),
      );
      if (answer.policyVersion !== version) known = null;
      const verdicts = new Map(same.map(({ ask }, i) => [ask.entryId, answer.verdicts?.[i] ?? null]));
      return questions.map(({ ask }) => ({ verdict: verdicts.get(ask.entryId) ?? null, sentMs }));
    },
    { maxItems: MAX_GROUP },
  );

  const settleGroup = groupCommit(
    async (settlements: Settlement[]) => {
      const ended = new Set(await settle(db, settlements));
      return settlements.map(({ entryId }) => ended.has(entryId));
    },
    { maxItems: MAX_GROUP, keyOf: ({ entryId }) => entryId },
  );

  async function ask(priced: PricedAsk): Promise<{ ask: Ask; verdict: Verdict; sentMs: number }> {
    for (let tries = 1; tries <= MAX_TRIES; tries++) {
      const stored = await policy();
      const made = priced(stored);
      const { verdict, sentMs } = await judge({ ask: made, version: stored.version });
      if (verdict !== null) return { ask: made, verdict, sentMs };
    }
    throw new Error("the governor's policy or clock would not stand still");
  }

  async function admission(
    priced: PricedAsk,
    { holdMs, signal }: { holdMs: number; signal?: AbortSignal },
  ): Promise<Admission> {
    const untilMs = clock.monotonicMs() + holdMs;
    for (;;) {
      const asked = await ask(priced);
      const { verdict } = asked;
      const result = (outcome: Outcome) => ({ outcome, askedMs: asked.sentMs, ask: asked.ask });
      if (verdict.verdict !== "wait") return result(verdict);
      const restMs = untilMs - clock.monotonicMs();
      const gone = signal?.aborted === true;
      if (gone || restMs <= 0 || (verdict.exact && verdict.waitMs > restMs)) {
        if (asked.ask.wait) await leaveLine(db, [asked.ask.entryId]);
        if (gone) return result({ verdict: "gone" });
        return result({ verdict: "too_far", limit: verdict.limit, waitMs: verdict.waitMs });
      }
      // All who wait here ask again at the same moments, so that their questions go together.
      const againMs = ASK_AGAIN_MS - (clock.monotonicMs() % ASK_AGAIN_MS);
      const sleepMs = Math.min(Math.max(1, verdict.waitMs), againMs, restMs);
      await pause(clock, sleepMs, { pokes: verdict.exact ? null : pokes, signal });
    }
  }

  return {
    policy,
    admit: admission,
    async settle(settlement) {
      await settleGroup(settlement);
      for (const poke of [...pokes]) poke();
    },
    watchClock: async () => {
      await watch.during(async () => ({
        ...(await readGovernorClock(db)),
        policyVersion: 0,
        verdicts: null,
      }));
      if (known) known = await currentPolicy(db).catch(() => known);
      log.debug("The governor's clock was looked at");
    },
  };
}

/** Until the time is over, something became free here, or the caller is gone. */
function pause(
  clock: GovernorClock,
  ms: number,
  { pokes, signal }: { pokes: Set<() => void> | null; signal: AbortSignal | undefined },
): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      cancel();
      pokes?.delete(done);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const cancel = clock.at(clock.nowMs() + ms, done);
    pokes?.add(done);
    signal?.addEventListener("abort", done, { once: true });
  });
}

/** Compares the governor's clock with the time that has really passed, and takes steps off it. */
function clockWatch({ db, clock, log }: GovernorContext) {
  let seen: Sighting | null = null;
  return {
    believable: () => seen && believableSpan(seen, clock.monotonicMs()),
    async during(read: () => Promise<AdmitAnswer>): Promise<{ answer: AdmitAnswer; sentMs: number }> {
      const sentMs = clock.monotonicMs();
      const answer = await read();
      const sighting = { atMs: answer.nowMs, sentMs, receivedMs: clock.monotonicMs() };
      const stepMs = seen === null ? 0 : clockStepMs(seen, sighting);
      if (stepMs === 0) {
        seen = sighting;
      } else {
        const mine = await takeOffStep(db, stepMs, answer.steps);
        if (mine)
          log.warn("The database's clock was set: the limits' time goes on as it was", { step_ms: stepMs });
        // Whoever took it off: the next look begins afresh, from a clock that is right again.
        seen = mine ? { ...sighting, atMs: answer.nowMs - stepMs } : null;
      }
      return { answer, sentMs };
    },
  };
}

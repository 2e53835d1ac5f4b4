/** Owns the way to a permit and back: asks in groups, waits in line, settles. Judges nothing itself: the database does, under one lock. */
import { believableSpan, clockStepMs, GRACE_MS, type Sighting } from "#core/governor.ts";
import type { Log } from "#log.ts";
import type { Database } from "#store/database.ts";
import { groupCommit } from "#store/group-commit.ts";
import { type Settlement, settle } from "#store/ledger.ts";
import {
  type AdmitAnswer,
  type Ask,
  leaveLine,
  readGovernorClock,
  takeOffStep,
  takeTurn,
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

/** What goes into a turn, and what comes out of it: nothing for what was settled. */
type Item = { ask: Ask; version: number } | { settlement: Settlement };
/** Null: to be asked again, under the policy or clock that is in force by then. */
type Judged = { verdict: Verdict | null; sentMs: number };
type Done = Judged | null;

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

  /** One statement, and one commit, for what gathers: settlements first, since they make room. */
  const turn = groupCommit(
    async (items: Item[]): Promise<Done[]> => {
      const settlements = items.flatMap((item) => ("settlement" in item ? [item.settlement] : []));
      const questions = items.flatMap((item) => ("ask" in item ? [item] : []));
      const [first] = questions;
      if (first === undefined) {
        await settle(db.steady, settlements);
        return items.map(() => null);
      }
      const { version } = first;
      const asks = questions.filter((question) => question.version === version).map(({ ask }) => ask);
      const context = { policyVersion: version, believable: watch.believable(), graceMs: GRACE_MS };
      const { answer, sentMs } = await watch.during(() =>
        takeTurn(db.steady, { settlements, asks }, context),
      );
      if (answer.policyVersion !== version) known = null;
      // Those of another version, or all if nothing could be judged, have to be priced or timed again.
      const verdicts = new Map(asks.map(({ entryId }, i) => [entryId, answer.verdicts?.[i] ?? null]));
      return items.map((item) =>
        "ask" in item ? { verdict: verdicts.get(item.ask.entryId) ?? null, sentMs } : null,
      );
    },
    {
      maxItems: MAX_GROUP,
      keyOf: (item) => ("ask" in item ? item.ask.entryId : item.settlement.entryId),
    },
  );

  async function ask(priced: PricedAsk): Promise<{ ask: Ask; verdict: Verdict; sentMs: number }> {
    for (let tries = 1; tries <= MAX_TRIES; tries++) {
      const stored = await policy();
      const made = priced(stored);
      const { verdict, sentMs } = (await turn({ ask: made, version: stored.version })) as Judged;
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
      await turn({ settlement });
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
    async during<A extends AdmitAnswer>(read: () => Promise<A>): Promise<{ answer: A; sentMs: number }> {
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

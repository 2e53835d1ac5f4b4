/** The busy doors of the store: what many callers record at once is written together. */
import type { Database } from "./database.ts";
import {
  type CallbackReport,
  type CallbackVerdict,
  type Claim,
  type ClaimVerdict,
  recordCallbacks,
  recordClaims,
} from "./facts.ts";
import { groupCommit } from "./group-commit.ts";
import { type EnqueueOutcome, type EnqueueRequest, enqueueEach } from "./tasks.ts";

/** Bodies may have 1.5 MB each, so a group stays moderate. */
const MAX_GROUP = 50;

export interface Recorder {
  callback(report: CallbackReport): Promise<CallbackVerdict>;
  claim(claim: Claim): Promise<ClaimVerdict>;
  enqueue(request: EnqueueRequest): Promise<EnqueueOutcome>;
}

/** How long more of the same may come between two writes of one door. */
const GATHER_MS = { least: 2, most: 8 } as const;

/**
 * `wait` is awaited between two writes of one door that follow each other. Runs wait for what they report, so that lasts as long
 * as the last write took; for what is enqueued its caller alone waits, who is answered together with more others.
 */
export function openRecorder(db: Database, wait: (ms: number) => Promise<void>): Recorder {
  const maxItems = MAX_GROUP;
  const gather = (tookMs: number) => wait(Math.min(Math.max(tookMs, GATHER_MS.least), GATHER_MS.most));
  return {
    callback: groupCommit((reports: CallbackReport[]) => recordCallbacks(db.byKey, reports), {
      maxItems,
      gather,
      keyOf: ({ executionId, callback }) => `${executionId.toLowerCase()}:${callback.attempt}`,
    }),
    claim: groupCommit((claims: Claim[]) => recordClaims(db.byKey, claims), {
      maxItems,
      gather,
      keyOf: ({ executionId, attempt }) => `${executionId.toLowerCase()}:${attempt}`,
    }),
    enqueue: groupCommit((requests: EnqueueRequest[]) => enqueueEach(db.byKey, requests), {
      maxItems,
      gather: () => wait(GATHER_MS.most),
    }),
  };
}

/** Owns the calls of one attempt to the orchestrator; never decides what the workflow does about an answer. */

import {
  CheckpointList,
  ClaimAnswer,
  type ClaimBody,
  HeartbeatAnswer,
  type HeartbeatBody,
} from "@master-orchestrator/contract";
import { traceparentOf } from "@master-orchestrator/contract/trace";
import type { z } from "zod";
import { backoffMs, type Clock } from "./clock.ts";
import { type Answer, EXCHANGE_TIMEOUT_MS, type Exchange, exchange, verdictOn } from "./http.ts";
import type { Dispatch } from "./receive.ts";
import { traceHeaders } from "./trace.ts";

/** The orchestrator waits 10 s for the answer to a dispatch; a claim has to be through before. */
const CLAIM_BUDGET_MS = 7_500;
const SAVE_TRIES = 4;

export interface Tools {
  clock: Clock;
  fetch: typeof fetch;
  /** Aborts when the process leaves for good: nothing is waited for any more. */
  leaving: AbortSignal;
}

/** A refusal that ends what was asked for; not an attempt that is over. */
export class CallRefused extends Error {
  override readonly name = "CallRefused";
}

export interface Channel {
  claim(claimant: string, nextWithinSeconds: number): Promise<Answer>;
  /** The attempt's deadline as the orchestrator sees it, in milliseconds of its wall clock, if it said so. */
  heartbeat(beat: z.infer<typeof HeartbeatBody>, signal: AbortSignal): Promise<number | null>;
  /**
   * What was kept for a task, by key. Asks until it is answered or `signal` aborts (then rejects with
   * its reason): starting without it might pay twice. Rejects with CallRefused.
   */
  checkpoints(taskId: string, signal: AbortSignal): Promise<Map<string, unknown>>;
  /** Keeps a value, given as JSON. Null when it is kept, else why not, after a few tries. */
  saveCheckpoint(taskId: string, key: string, json: string): Promise<string | null>;
  callback(json: string): Promise<Answer>;
}

/** Opens the calls of one attempt. `onStale` is called whenever an answer says that the attempt is over. */
export function openChannel(dispatch: Dispatch, tools: Tools, onStale: () => void): Channel {
  const { attempt, authentication } = dispatch.message;
  const ofDelivery = dispatch.trace ? traceparentOf(dispatch.trace) : undefined;

  async function call(method: Exchange["method"], path: string, rest: Partial<Exchange>): Promise<Answer> {
    const url = `${dispatch.executionUrl}/${path}`;
    return exchange(tools.fetch, {
      method,
      url,
      token: authentication.token,
      // What a step asks for belongs to the step, all else to the delivery.
      traceparent: traceHeaders().traceparent ?? ofDelivery,
      signal: tools.leaving,
      ...rest,
    });
  }

  async function workCall(
    method: Exchange["method"],
    path: string,
    rest: Partial<Exchange>,
  ): Promise<Answer> {
    const answer = await call(method, path, rest);
    if (verdictOn(answer) === "stale") onStale();
    return answer;
  }

  return {
    claim: (claimant, next_within_seconds) =>
      claim(tools, { attempt, claimant, next_within_seconds }, (rest) => call("POST", "claim", rest)),

    async heartbeat(beat, signal) {
      const answer = await workCall("POST", "heartbeat", {
        body: JSON.stringify({ attempt, ...beat }),
        signal,
      });
      const read = HeartbeatAnswer.safeParse(answer.body);
      return read.success ? Date.parse(read.data.deadline) : null;
    },

    async checkpoints(taskId, signal) {
      const path = `checkpoints?task_id=${encodeURIComponent(taskId)}`;
      for (let tries = 0; ; tries++) {
        signal.throwIfAborted();
        const answer = await workCall("GET", path, { signal });
        signal.throwIfAborted();
        const verdict = verdictOn(answer);
        if (verdict === "done") return readCheckpoints(answer);
        if (verdict !== "again") throw new CallRefused(`checkpoints could not be read: ${answer.detail}`);
        await tools.clock.sleep(backoffMs(tools.clock, tries, 500, 10_000), "checkpoints", signal);
      }
    },

    async saveCheckpoint(taskId, key, json) {
      const path = `checkpoints/${encodeURIComponent(key)}`;
      const body = `{"task_id":${JSON.stringify(taskId)},"value":${json}}`;
      for (let tries = 1; ; tries++) {
        const answer = await workCall("PUT", path, { body });
        const { status } = answer;
        // Any success is one: the answer to a PUT may be empty.
        if (verdictOn(answer) === "done" || status === 201 || status === 204) return null;
        if (verdictOn(answer) !== "again" || tries === SAVE_TRIES || tools.leaving.aborted)
          return answer.detail;
        await tools.clock.sleep(backoffMs(tools.clock, tries - 1, 500, 2_000), "checkpoint", tools.leaving);
      }
    },

    // Not a work call: once there is a result, only the answer to the callback itself ends the attempt.
    callback: (json) => call("POST", "callback", { body: json }),
  };
}

/** Claims, with brief retries. Answers what the orchestrator said last; `again` when it did not say. */
async function claim(
  tools: Tools,
  claimed: z.infer<typeof ClaimBody>,
  post: (rest: Partial<Exchange>) => Promise<Answer>,
): Promise<Answer> {
  const { clock, leaving } = tools;
  const body = JSON.stringify(claimed);
  const start = clock.elapsed();
  for (let tries = 0; ; tries++) {
    const left = CLAIM_BUDGET_MS - (clock.elapsed() - start);
    const answer = await post({
      body,
      timeoutMs: Math.max(1, Math.floor(Math.min(left, EXCHANGE_TIMEOUT_MS))),
    });
    const puzzling = verdictOn(answer) === "done" && !ClaimAnswer.safeParse(answer.body).success;
    const verdict = puzzling ? "again" : verdictOn(answer);
    if (verdict !== "again") return answer;
    const wait = Math.max(backoffMs(clock, tries, 250, 2_000), answer.retryAfterMs ?? 0);
    // Half a second for the try that would follow.
    if (clock.elapsed() - start + wait > CLAIM_BUDGET_MS - 500) return { ...answer, status: 0 };
    await clock.sleep(wait, "claim", leaving);
    if (leaving.aborted) return { ...answer, status: 0 };
  }
}

function readCheckpoints(answer: Answer): Map<string, unknown> {
  const read = CheckpointList.safeParse(answer.body);
  if (!read.success)
    throw new CallRefused("checkpoints could not be read: the answer is not a list of checkpoints");
  return new Map(read.data.checkpoints.map((each) => [each.key, each.value]));
}

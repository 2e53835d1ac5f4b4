/** What a running sub-workflow says: claim, heartbeat, checkpoints, callback. Records facts, changes no state. */
import {
  Callback,
  CallbackAnswer,
  CheckpointBody,
  CheckpointKey,
  CheckpointList,
  CheckpointQuery,
  ClaimAnswer,
  ClaimBody,
  HeartbeatAnswer,
  HeartbeatBody,
  MAX_CHECKPOINT_BYTES,
  Problem,
  Uuid,
} from "@master-orchestrator/contract";
import { verify } from "@master-orchestrator/contract/signature";
import { z } from "zod";
import { checkpointsOf, saveCheckpoint } from "#store/checkpoints.ts";
import type { Database } from "#store/database.ts";
import { executionById } from "#store/execution-views.ts";
import { type AttemptVerdict, type CallbackVerdict, recordHeartbeat } from "#store/facts.ts";
import type { Recorder } from "#store/recorder.ts";
import { findWorkflow } from "#store/workflows.ts";
import { time } from "../present.ts";
import { type Call, type Caller, defineRoute, type Route } from "../route.ts";

const ExecutionPath = z.strictObject({ execution_id: Uuid });
const CheckpointPath = z.strictObject({ execution_id: Uuid, key: CheckpointKey });
const TAG = "Sub-workflows";

export interface AttemptRoutesContext {
  db: Database;
  recorder: Recorder;
  /** A fact was recorded: let a cycle look. */
  wake(): void;
  /** A sign of life was recorded, which nobody waits for. */
  wakeSoon(): void;
  nowMs(): number;
}

export function attemptRoutes(context: AttemptRoutesContext): Route[] {
  return [
    claimRoute(context),
    heartbeatRoute(context),
    callbackRoute(context),
    saveCheckpointRoute(context),
    listCheckpointsRoute(context),
  ];
}

function claimRoute({ recorder, wakeSoon }: AttemptRoutesContext): Route {
  return defineRoute({
    method: "POST",
    path: "/api/v1/executions/:execution_id/claim",
    summary: "Claim an attempt: the first thing that a sub-workflow does",
    tag: TAG,
    traced: "joins",
    access: "execution",
    params: ExecutionPath,
    body: ClaimBody,
    answers: { 200: ClaimAnswer },
    async handle({ params, body, caller }) {
      const attempt = attemptOf(caller, body.attempt);
      const { claimant } = body;
      const nextWithinMs = promisedMs(body.next_within_seconds);
      const executionId = params.execution_id;
      const claim = await recorder.claim({ executionId, attempt, claimant, nextWithinMs });
      refuseStale(claim.verdict, attempt);
      if (claim.claimant !== claimant) {
        throw new Problem(
          "already_claimed",
          `"${claim.claimant}" has claimed attempt ${attempt}`,
          "Stop here: that run does the work.",
        );
      }
      wakeSoon();
      return { status: 200, body: { claimed: true } };
    },
  });
}

function promisedMs(seconds: number | undefined): number | null {
  return seconds === undefined ? null : Math.round(seconds * 1000);
}

function heartbeatRoute({ db }: AttemptRoutesContext): Route {
  return defineRoute({
    method: "POST",
    path: "/api/v1/executions/:execution_id/heartbeat",
    summary: "Show progress; promise to be heard again",
    tag: TAG,
    traced: "joins",
    access: "execution",
    params: ExecutionPath,
    body: HeartbeatBody,
    answers: { 200: HeartbeatAnswer },
    async handle({ params, body, caller }) {
      const attempt = attemptOf(caller, body.attempt);
      const beat = {
        progress: body.progress ?? null,
        message: body.message ?? null,
        nextWithinMs: promisedMs(body.next_within_seconds),
      };
      const { verdict, deadlineAtMs } = await recordHeartbeat(db, params.execution_id, attempt, beat);
      refuseStale(verdict, attempt);
      return { status: 200, body: { recorded: true, deadline: time(deadlineAtMs) } };
    },
  });
}

function callbackRoute(context: AttemptRoutesContext): Route {
  const { recorder, wake } = context;
  return defineRoute({
    method: "POST",
    path: "/api/v1/executions/:execution_id/callback",
    summary: "Report the outcome of an attempt, with its token or a Standard Webhooks signature",
    tag: TAG,
    traced: "joins",
    access: "public",
    params: ExecutionPath,
    body: Callback,
    answers: { 200: CallbackAnswer },
    async handle(call) {
      const { params, body } = call;
      await authenticateCallback(context, call);
      refuseOddCallback(params.execution_id, body);
      const verdict = await recorder.callback({ executionId: params.execution_id, callback: body });
      const answer = callbackAnswer(verdict, body.attempt);
      if (answer.accepted) wake();
      return { status: 200, body: answer };
    },
  });
}

/** The token of the attempt, or a signature with the workflow's secret over the raw body. */
async function authenticateCallback(
  { db, nowMs }: AttemptRoutesContext,
  call: Call<{ execution_id: string }, unknown, Callback>,
): Promise<void> {
  const { caller, params, body, headers, rawBody } = call;
  if (caller.kind === "execution") {
    if (caller.executionId !== params.execution_id.toLowerCase()) {
      throw new Problem(
        "forbidden",
        "the token belongs to another execution",
        "Use the token that came with this execution's dispatch.",
      );
    }
    if (body.attempt > caller.attempt) {
      throw new Problem(
        "validation_failed",
        `/attempt: the token is for attempt ${caller.attempt}, the body for ${body.attempt}`,
        "Send the attempt number and the token of one and the same dispatch.",
        { errors: [{ path: "/attempt", message: `the token is for attempt ${caller.attempt}` }] },
      );
    }
    return;
  }
  if (headers.get("webhook-signature") !== null) {
    const execution = await executionById(db, params.execution_id);
    const secret = execution && (await findWorkflow(db, execution.workflowType))?.signingSecret;
    if (secret && verify(secret, headers, rawBody, nowMs() / 1000).ok) return;
  }
  throw new Problem(
    "unauthorized",
    "the callback has neither the attempt's token nor a valid signature",
    "Send `Authorization: Bearer <authentication.token of the dispatch>`, or sign the raw body (Standard Webhooks).",
  );
}

function refuseOddCallback(executionId: string, body: Callback): void {
  const errors: { path: string; message: string }[] = [];
  if (body.execution_id !== undefined && body.execution_id.toLowerCase() !== executionId.toLowerCase()) {
    errors.push({ path: "/execution_id", message: "differs from the one in the address" });
  }
  if (body.status === "partial" && body.items === undefined) {
    errors.push({ path: "/items", message: "is needed when the status is partial" });
  }
  const seen = new Set<string>();
  body.items?.forEach((item, i) => {
    if (seen.has(item.task_id)) errors.push({ path: `/items/${i}/task_id`, message: "is named twice" });
    seen.add(item.task_id);
  });
  const first = errors[0];
  if (!first) return;
  throw new Problem(
    "validation_failed",
    `${first.path}: ${first.message}`,
    "Correct the callback and send it again.",
    {
      errors,
    },
  );
}

function callbackAnswer(verdict: CallbackVerdict, attempt: number): z.infer<typeof CallbackAnswer> {
  switch (verdict.verdict) {
    case "taken":
      return { accepted: true };
    case "duplicate":
      return { accepted: false, reason: "duplicate" };
    case "stale":
      throw staleAttempt(attempt);
    case "unknown_execution":
      throw unknownExecution();
    case "ahead":
      throw new Problem(
        "validation_failed",
        `/attempt: the execution is at attempt ${verdict.attempt}, not ${attempt}`,
        "Send the attempt number of the dispatch.",
        { errors: [{ path: "/attempt", message: `the execution is at attempt ${verdict.attempt}` }] },
      );
    case "foreign_tasks":
      throw new Problem(
        "validation_failed",
        `/items: names tasks that this attempt was not given: ${verdict.taskIds.slice(0, 5).join(", ")}`,
        "Report only the tasks of input_data.tasks.",
        {
          errors: verdict.taskIds
            .slice(0, 20)
            .map((id) => ({ path: "/items", message: `not dispatched: ${id}` })),
        },
      );
  }
}

function saveCheckpointRoute({ db }: AttemptRoutesContext): Route {
  return defineRoute({
    method: "PUT",
    path: "/api/v1/executions/:execution_id/checkpoints/:key",
    summary: "Keep what a finished step of a task produced",
    tag: TAG,
    traced: "joins",
    access: "execution",
    params: CheckpointPath,
    body: CheckpointBody,
    answers: { 200: z.object({ saved: z.literal(true) }) },
    async handle({ params, body, caller }) {
      const attempt = attemptOf(caller, undefined);
      const bytes = Buffer.byteLength(JSON.stringify(body.value));
      if (bytes > MAX_CHECKPOINT_BYTES) {
        throw new Problem(
          "payload_too_large",
          `/value has ${bytes} bytes; a checkpoint may have ${MAX_CHECKPOINT_BYTES}`,
          "Keep large results elsewhere and their address here.",
        );
      }
      const { execution_id: executionId, key } = params;
      const checkpoint = { executionId, attempt, taskId: body.task_id, key, value: body.value };
      const verdict = await saveCheckpoint(db, checkpoint);
      if (verdict === "foreign_task") throw foreignTask(body.task_id);
      refuseStale(verdict, attempt);
      return { status: 200, body: { saved: true } };
    },
  });
}

function listCheckpointsRoute({ db }: AttemptRoutesContext): Route {
  return defineRoute({
    method: "GET",
    path: "/api/v1/executions/:execution_id/checkpoints",
    summary: "What earlier attempts and executions of a task have kept",
    tag: TAG,
    traced: "joins",
    access: "execution",
    params: ExecutionPath,
    query: CheckpointQuery,
    answers: { 200: CheckpointList },
    async handle({ params, query, caller }) {
      const attempt = attemptOf(caller, undefined);
      const found = await checkpointsOf(db, params.execution_id, attempt, query.task_id);
      if (found.verdict === "foreign_task") throw foreignTask(query.task_id);
      refuseStale(found.verdict, attempt);
      const checkpoints = found.checkpoints.map((row) => ({
        key: row.key,
        value: row.value,
        saved_at: time(row.savedAtMs),
      }));
      return { status: 200, body: { checkpoints, next_cursor: null } };
    },
  });
}

/** The attempt that the token stands for; a body that names another is refused. */
function attemptOf(caller: Caller, named: number | undefined): number {
  if (caller.kind !== "execution") throw new Error("the route is open to execution tokens only");
  if (named === undefined || named === caller.attempt) return caller.attempt;
  if (named < caller.attempt) throw staleAttempt(named);
  throw new Problem(
    "validation_failed",
    `/attempt: the token is for attempt ${caller.attempt}, the body for ${named}`,
    "Send the attempt number and the token of one and the same dispatch.",
    { errors: [{ path: "/attempt", message: `the token is for attempt ${caller.attempt}` }] },
  );
}

function refuseStale(verdict: AttemptVerdict, attempt: number): void {
  if (verdict === "stale") throw staleAttempt(attempt);
  if (verdict === "unknown_execution") throw unknownExecution();
}

function staleAttempt(attempt: number): Problem {
  return new Problem(
    "stale_attempt",
    `attempt ${attempt} is over: a newer one was dispatched, or the execution has ended`,
    "Stop here: nothing that this attempt reports counts any more.",
  );
}

function unknownExecution(): Problem {
  return new Problem(
    "not_found",
    "there is no such execution",
    "Use the addresses of the dispatch as they came.",
  );
}

function foreignTask(taskId: string): Problem {
  return new Problem(
    "not_found",
    `task ${taskId} was not dispatched with this execution`,
    "Use a task_id of input_data.tasks.",
  );
}

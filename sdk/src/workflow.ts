/** Owns the life of a workflow in this process: what it accepts, what is running, how it stops; never does the work. */
import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { Problem, SigningSecret, WorkflowType } from "@master-orchestrator/contract";
import type { z } from "zod";
import { acceptedResponse, problemResponse } from "./answers.ts";
import { type Batch, runBatch } from "./batch.ts";
import { openChannel } from "./channel.ts";
import { systemClock } from "./clock.ts";
import type { Workflow, WorkflowDefinition, WorkflowOptions } from "./definition.ts";
import { WorkEnded } from "./ending.ts";
import { promisedSeconds } from "./heartbeat.ts";
import { type Answer, verdictOn } from "./http.ts";
import { attemptLog, logToStandardError } from "./log.ts";
import { type Dispatch, receive } from "./receive.ts";
import { messageOf } from "./result.ts";
import type { AnyDefinition } from "./tasks.ts";

/** How long `stop` waits for the callbacks of finished work. */
const STOP_MS = 10_000;
/** Deliveries remembered, so that a repeated one is told from a new one without asking. */
const MAX_REMEMBERED = 5_000;

/**
 * Makes a workflow out of its definition. Throws a Problem `invalid_setting` for a type, a secret, a
 * claimant, a concurrency or an interval that cannot work.
 */
export function defineWorkflow<S extends z.ZodType, R>(
  definition: WorkflowDefinition<S, R>,
  options: WorkflowOptions = {},
): Workflow {
  checkSettings(definition, options);
  const house = openHouse(definition, options);
  const running = new Set<Promise<unknown>>();
  const stopping = new AbortController();
  const leaving = new AbortController();
  /** By execution and attempt, which is what a webhook-id stands for: the answer given, or being found. */
  const deliveries = new Map<string, Promise<Problem | null>>();

  function keepTrackOf(work: Promise<unknown>): void {
    running.add(work);
    work.finally(() => running.delete(work)).catch(() => {});
  }

  async function accept(request: Request): Promise<Response> {
    if (stopping.signal.aborted) throw unavailable("this process is stopping");
    const dispatch = await receive(request, definition.type, house.secret(), house.clock.now());
    const { execution_id: executionId, attempt } = dispatch.message;
    const delivery = `${executionId}:${attempt}`;
    const earlier = deliveries.get(delivery);
    const started = earlier ?? start(dispatch);
    if (!earlier) remember(deliveries, delivery, started);
    const refusal = await started;
    if (refusal) throw refusal;
    if (earlier) throw new Problem("conflict", "this delivery was accepted before", "Wait for its callback.");
    return acceptedResponse(executionId);
  }

  /** Claims, and starts the work in the background. The refusal when it may not start. */
  async function start(dispatch: Dispatch): Promise<Problem | null> {
    const { message } = dispatch;
    const about = { workflow: definition.type, execution_id: message.execution_id, attempt: message.attempt };
    const log = attemptLog(house.log, message.authentication.token, about);
    const ending = new AbortController();
    const channel = openChannel(dispatch, { ...house, leaving: leaving.signal }, () =>
      ending.abort(new WorkEnded("stale", "the attempt was cancelled or superseded")),
    );
    const answer = await channel.claim(house.claimant, promisedSeconds(house.heartbeatMs));
    const refusal = refusalOf(answer);
    if (refusal) {
      log("info", "not started: the claim was not granted", { status: answer.status, detail: answer.detail });
      return refusal;
    }
    const skewMs = skewOf(answer, house.clock.now());
    const batch: Batch = {
      ...{ definition: house.definition, message, channel, clock: house.clock, log, ending, skewMs },
      ...{
        tracer: house.tracer,
        heartbeatMs: house.heartbeatMs,
        stopping: stopping.signal,
        leaving: leaving.signal,
      },
    };
    log("info", "started", { tasks: message.input_data.tasks.length });
    keepTrackOf(
      runBatch(batch).catch((error) => log("error", "the sdk failed", { error: messageOf(error) })),
    );
    return null;
  }

  async function idle(): Promise<void> {
    while (running.size > 0) await Promise.allSettled([...running]);
  }

  return {
    type: definition.type,
    idle,
    async handle(request) {
      const answer = accept(request).catch((error) => {
        if (error instanceof Problem && error.code !== "invalid_setting") return problemResponse(error);
        house.log("error", "a dispatch could not be answered", { error: messageOf(error) });
        return problemResponse(
          new Problem("internal", "the dispatch could not be read", "Deliver it again."),
        );
      });
      keepTrackOf(answer);
      return answer;
    },
    async stop() {
      stopping.abort();
      const idled = new AbortController();
      await Promise.race([idle(), house.clock.sleep(STOP_MS, "stop", idled.signal)]);
      idled.abort();
      leaving.abort();
      await idle();
    },
  };
}

function checkSettings(definition: WorkflowDefinition<z.ZodType, unknown>, options: WorkflowOptions): void {
  const wrong = (message: string, hint: string) => new Problem("invalid_setting", message, hint);
  if (!WorkflowType.safeParse(definition.type).success) {
    throw wrong(`type "${definition.type}" cannot be registered`, "Use lower case letters, digits and _.");
  }
  const { concurrency = 1 } = definition;
  if (!Number.isInteger(concurrency) || concurrency < 1) {
    throw wrong(`concurrency ${concurrency} is not a whole number of 1 or more`, "Leave it out for 3.");
  }
  const { heartbeatSeconds = 5, claimant = "default", signingSecret } = options;
  if (!(heartbeatSeconds > 0 && heartbeatSeconds <= 900)) {
    throw wrong(`heartbeatSeconds ${heartbeatSeconds} is not between 0 and 900`, "Leave it out for 5.");
  }
  if (claimant.length < 1 || claimant.length > 200) {
    throw wrong(`a claimant of ${claimant.length} characters`, "Use 1 to 200 characters.");
  }
  // An empty secret would accept everybody's signature.
  if (typeof signingSecret === "string") checkSecret(signingSecret);
}

function checkSecret(secret: string): void {
  if (SigningSecret.safeParse(secret).success) return;
  throw new Problem(
    "invalid_setting",
    "signingSecret is not a secret of Standard Webhooks",
    "Give the signing_secret of the registration: whsec_ and the base64 of at least 16 bytes.",
  );
}

/** The options with their defaults, and what is the same for every attempt. */
function openHouse(definition: AnyDefinition, options: WorkflowOptions) {
  const chance = randomBytes(6).toString("hex");
  const { signingSecret } = options;
  return {
    definition,
    clock: options.clock ?? systemClock,
    // Looked up at each call, so that instrumentation installed later is used.
    fetch: options.fetch ?? ((...request: Parameters<typeof fetch>) => fetch(...request)),
    log: options.log ?? logToStandardError,
    tracer: options.tracer,
    heartbeatMs: (options.heartbeatSeconds ?? 5) * 1000,
    // Two workflows in one process are two claimants: the second one's claim must not pass for the first one's.
    claimant: options.claimant ?? `${definition.type}@${hostname().slice(0, 80)}:${process.pid}:${chance}`,
    secret(): string | undefined {
      const secret = typeof signingSecret === "function" ? signingSecret() : signingSecret;
      if (secret !== undefined) checkSecret(secret);
      return secret;
    },
  };
}

function remember<T>(deliveries: Map<string, Promise<T>>, delivery: string, answer: Promise<T>): void {
  deliveries.set(delivery, answer);
  const forget = () => deliveries.delete(delivery);
  // What was not started may be delivered again, and start then.
  answer.then((refusal) => refusal && forget(), forget);
  for (const oldest of deliveries.keys()) {
    if (deliveries.size <= MAX_REMEMBERED) break;
    deliveries.delete(oldest);
  }
}

function unavailable(message: string): Problem {
  return new Problem("unavailable", message, "Deliver it again.", { retry_after_seconds: 5 });
}

/** Why an answered claim does not let the work start; null when it does. */
function refusalOf(answer: Answer): Problem | null {
  const verdict = verdictOn(answer);
  if (verdict === "done") return null;
  if (verdict === "again") return unavailable(`the execution could not be claimed: ${answer.detail}`);
  if (verdict === "stale")
    return new Problem("stale_attempt", "the attempt is over", "Nothing is to be done.");
  if (answer.status === 409) {
    return new Problem(
      "already_claimed",
      "somebody else has claimed this attempt",
      "Wait for their callback.",
    );
  }
  const codes = { 401: "unauthorized", 403: "forbidden", 404: "not_found" } as const;
  const code = codes[answer.status as keyof typeof codes] ?? "invalid_body";
  const hint = "Compare callback_url and authentication.token with the orchestrator that sent them.";
  return new Problem(code, `the claim was refused: ${answer.detail}`, hint, { status: answer.status });
}

/** Clocks that differ by less than an HTTP date can show are the same. */
function skewOf(answer: Answer, nowMs: number): number {
  const skew = answer.dateMs === null ? 0 : answer.dateMs - nowMs;
  return Math.abs(skew) > 2_000 ? skew : 0;
}

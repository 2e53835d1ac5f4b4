/** Owns the durable steps of one task: done once, found again by later attempts; never does the work itself twice. */
import { CheckpointKey, MAX_CHECKPOINT_BYTES } from "@master-orchestrator/contract";
import type { Channel } from "./channel.ts";
import { type Outcome, outcomeOf, type WithNext, withNext } from "./next.ts";
import { messageOf, type Storable, storable } from "./result.ts";
import { type Tracing, traced } from "./trace.ts";

/** Under these keys the sdk keeps what `run` returned: a bare result, or one with what is to follow. Never both. */
const RESULT_KEY = "sdk:result";
const FOLLOWED_KEY = "sdk:result-next";

export interface Notebook {
  /** What `run` returned in an earlier attempt, if it did. */
  earlierResult(): Promise<Outcome | null>;
  /** Whether it is kept now. Result and follow-ups are one: a later attempt finds both or neither. */
  keepResult(outcome: Outcome): Promise<boolean>;
  step<T>(key: string, work: () => Promise<T>): Promise<T>;
}

/** Opens a task's notebook. What is in it is read at the first use, once. */
export function openNotebook(
  channel: Channel,
  taskId: string,
  signal: AbortSignal,
  warn: (message: string, details: Record<string, unknown>) => void,
  tracing: Tracing,
): Notebook {
  let read: Promise<Map<string, unknown>> | undefined;
  const steps = new Map<string, Promise<unknown>>();
  const notes = () => {
    read ??= channel.checkpoints(taskId, signal);
    return read;
  };

  async function keep(key: string, value: Storable): Promise<boolean> {
    const refusal =
      value.bytes > MAX_CHECKPOINT_BYTES
        ? `it has ${value.bytes} bytes, more than the ${MAX_CHECKPOINT_BYTES} of a checkpoint`
        : await channel.saveCheckpoint(taskId, key, value.text);
    if (refusal === null) return true;
    warn("a checkpoint was not kept: a later attempt would do this again", { key, why: refusal });
    return false;
  }

  async function doStep<T>(key: string, work: () => Promise<T>): Promise<T> {
    const kept = await notes();
    if (kept.has(key)) return kept.get(key) as T;
    signal.throwIfAborted();
    const value = await traced(tracing, { name: `step ${key}`, attributes: {} }, work);
    let json: Storable;
    try {
      json = storable(value);
    } catch (error) {
      warn("a checkpoint was not kept: a later attempt would do this again", { key, why: messageOf(error) });
      return value;
    }
    await keep(key, json);
    // As it will be found later, so that the first attempt and the second see the same.
    return json.value as T;
  }

  return {
    async earlierResult() {
      const kept = await notes();
      if (kept.has(RESULT_KEY)) return outcomeOf(kept.get(RESULT_KEY));
      const followed = kept.get(FOLLOWED_KEY) as Pick<WithNext<unknown>, "result" | "next"> | undefined;
      return followed ? outcomeOf(withNext(followed.result, followed.next)) : null;
    },
    keepResult({ result, next }) {
      if (next.length === 0) return keep(RESULT_KEY, result);
      return keep(FOLLOWED_KEY, storable({ result: result.value, next }));
    },
    step<T>(key: string, work: () => Promise<T>): Promise<T> {
      refuseBadKey(key);
      const running = steps.get(key);
      if (running) return running as Promise<T>;
      const step = doStep(key, work);
      steps.set(key, step);
      // A step that failed may be tried again by the author's own retry.
      step.catch(() => steps.delete(key));
      return step;
    },
  };
}

function refuseBadKey(key: string): void {
  if (!CheckpointKey.safeParse(key).success) {
    throw new TypeError(`step "${key}": a key is letters, digits and . _ : -, at most 100`);
  }
  if (key.startsWith("sdk:"))
    throw new TypeError(`step "${key}": keys that start with "sdk:" are the sdk's own`);
}

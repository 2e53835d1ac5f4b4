/** Owns the durable steps of one task: done once, found again by later attempts; never does the work itself twice. */
import { CheckpointKey, MAX_CHECKPOINT_BYTES } from "@master-orchestrator/contract";
import type { Channel } from "./channel.ts";
import { messageOf, type Storable, storable } from "./result.ts";

/** Under this key the sdk keeps what `run` returned. */
export const RESULT_KEY = "sdk:result";

export interface Notebook {
  /** What `run` returned in an earlier attempt, if it did. */
  earlierResult(): Promise<{ value: unknown } | null>;
  step<T>(key: string, work: () => Promise<T>): Promise<T>;
  /** Whether the value is kept now. */
  keep(key: string, value: Storable): Promise<boolean>;
}

/** Opens a task's notebook. What is in it is read at the first use, once. */
export function openNotebook(
  channel: Channel,
  taskId: string,
  signal: AbortSignal,
  warn: (message: string, details: Record<string, unknown>) => void,
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
    const value = await work();
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
    keep,
    async earlierResult() {
      const kept = await notes();
      return kept.has(RESULT_KEY) ? { value: kept.get(RESULT_KEY) } : null;
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

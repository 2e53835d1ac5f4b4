/** Passes a provider's answer on while it comes, and settles its call before the last byte. Never buffers a stream. */
import { once } from "node:events";
import { PassThrough, type Readable } from "node:stream";
import type { TokenUsage } from "#core/usage.ts";
import type { GovernorClock } from "./governor.ts";
import { Meter, type MeterOptions } from "./meter.ts";

/** How an answer ended, as far as its cost goes. */
export interface Ending {
  /** Null: not known. */
  usage: TokenUsage | null;
}

export interface RelayOptions {
  body: AsyncIterator<Uint8Array>;
  meter: MeterOptions;
  clock: GovernorClock;
  /** The length that the provider announced, null if it announced none. */
  length: number | null;
  /** Bytes of `body` that were read already. */
  head: readonly Uint8Array[];
  /** The client is gone. */
  gone: AbortSignal;
  /** Cuts the provider off. */
  cut(): void;
  /** Called once; the last byte waits for it. */
  settle(ending: Ending): Promise<void>;
}

/** A client that has left does not keep a provider busy for longer than this; in this time the usage may still come. */
const LISTEN_ON_MS = 30_000;
/** The ledger is waited for, but not for ever: the reservation stands, and whoever sweeps finds it. */
const LEDGER_MS = 2_000;

/** The answer's bytes for the client. What goes wrong at the provider breaks them off, as it would without us. */
export function relay(options: RelayOptions): Readable {
  const out = new PassThrough();
  // A client that is gone is no error of ours.
  out.on("error", () => {});
  void pump(out, options);
  return out;
}

async function pump(out: PassThrough, options: RelayOptions): Promise<void> {
  const { body, clock, gone, length } = options;
  const meter = new Meter(options.meter);
  const clientGone = () => gone.aborted || out.destroyed;
  let cancelCut = () => {};
  const listenOn = () => {
    cancelCut();
    cancelCut = clock.at(clock.nowMs() + LISTEN_ON_MS, options.cut);
  };
  if (gone.aborted) listenOn();
  else gone.addEventListener("abort", listenOn, { once: true });
  let settled: Promise<void> | null = null;
  const settleOnce = (usage: TokenUsage | null) => {
    settled ??= options.settle({ usage });
    return atMost(clock, settled, LEDGER_MS);
  };
  let received = 0;
  let broken: Error | null = null;
  try {
    for await (const chunk of following(options.head, body)) {
      received += chunk.length;
      const bytes = meter.push(chunk);
      if (meter.over) await settleOnce(meter.usage());
      // The last byte of an announced length is the client's end of the answer.
      if (received === length) await settleOnce(finish(meter));
      if (bytes.length > 0 && !clientGone()) await write(out, bytes, gone);
    }
    const rest = meter.end();
    if (rest.length > 0 && !clientGone()) await write(out, rest, gone);
  } catch (error) {
    broken = error instanceof Error ? error : new Error(String(error));
  }
  gone.removeEventListener("abort", listenOn);
  cancelCut();
  // What a broken answer has reported so far is not all of it, unless it had said so.
  await settleOnce(broken && !meter.complete ? null : meter.usage());
  if (broken) out.destroy(broken);
  else out.end();
}

/** A document is whole once its announced length is there. */
function finish(meter: Meter): TokenUsage | null {
  meter.end();
  return meter.usage();
}

async function* following(
  head: readonly Uint8Array[],
  body: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  yield* head;
  for (let next = await body.next(); !next.done; next = await body.next()) yield next.value;
}

async function write(out: PassThrough, bytes: Uint8Array, gone: AbortSignal): Promise<void> {
  if (out.write(bytes) || out.destroyed) return;
  const stop = new AbortController();
  const { signal } = stop;
  const left = () => stop.abort();
  gone.addEventListener("abort", left, { once: true });
  await Promise.race([once(out, "drain", { signal }), once(out, "close", { signal })]).catch(() => {});
  stop.abort();
  gone.removeEventListener("abort", left);
}

/** Waits for `work`, but at most so long; a failure of it is its own business. */
function atMost(clock: GovernorClock, work: Promise<void>, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const cancel = clock.at(clock.nowMs() + ms, resolve);
    work
      .catch(() => {})
      .finally(() => {
        cancel();
        resolve();
      });
  });
}

/** Reads to the end (`ended`), or a little beyond `limit` bytes. Rejects if the answer breaks off before. */
export async function readHead(
  body: AsyncIterator<Uint8Array>,
  limit: number,
): Promise<{ head: Uint8Array[]; ended: boolean }> {
  const head: Uint8Array[] = [];
  let bytes = 0;
  while (bytes <= limit) {
    const next = await body.next();
    if (next.done) return { head, ended: true };
    head.push(next.value);
    bytes += next.value.length;
  }
  return { head, ended: false };
}

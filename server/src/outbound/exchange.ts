/** One request and its whole answer, collected as it comes, without a stream. Checks no address and names no failure. */
import type { Dispatcher } from "undici";

/** Of a body that nobody wants: so much is read for the sake of its connection. */
const LEFT_BYTES = 16_384;
const LEFT_MS = 2_000;

export interface Collected {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: Uint8Array;
}

export interface Exchange {
  /** Rejects with the client's own error, with `tooLarge`, or with what it was cancelled with. */
  answer: Promise<Collected>;
  /** Gives up: the request is not sent any more, or its connection is cut. */
  cancel(error: Error): void;
}

/** Sends once. A body above `limit` bytes is never read to its end; null: only status and headers are wanted. */
export function exchange(
  dispatcher: Dispatcher,
  request: Dispatcher.DispatchOptions,
  { limit, tooLarge }: { limit: number | null; tooLarge(): Error },
): Exchange {
  const { promise, resolve, reject } = Promise.withResolvers<Collected>();
  let controller: Dispatcher.DispatchController | null = null;
  let cancelled: Error | null = null;
  let collected: Collected | null = null;
  let leaving: NodeJS.Timeout | undefined;
  const chunks: Uint8Array[] = [];
  let received = 0;
  dispatcher.dispatch(request, {
    onRequestStart(started) {
      controller = started;
      if (cancelled) started.abort(cancelled);
    },
    onResponseStart(started, status, headers) {
      if (status < 200) return;
      collected = { status, headers, body: new Uint8Array() };
      if (limit !== null) return;
      // A small rest is read to its end, so that the connection can be used again; a larger one is cut off with it.
      leaving = setTimeout(() => started.abort(tooLarge()), LEFT_MS);
      resolve(collected);
    },
    onResponseData(started, chunk) {
      received += chunk.length;
      if (received > (limit ?? LEFT_BYTES)) started.abort(tooLarge());
      else if (limit !== null) chunks.push(chunk);
    },
    onResponseEnd() {
      clearTimeout(leaving);
      const body = chunks.length === 1 ? (chunks[0] as Uint8Array) : Buffer.concat(chunks);
      resolve({ ...(collected as Collected), body });
    },
    onResponseError(_controller, error) {
      clearTimeout(leaving);
      reject(error);
    },
  });
  return {
    answer: promise,
    cancel(error) {
      cancelled = error;
      controller?.abort(error);
      reject(error);
    },
  };
}

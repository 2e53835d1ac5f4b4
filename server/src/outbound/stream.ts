/** Sends one request and hands its answer on as it comes. Decides nothing: whom to call and when is the caller's. */
import type { Dispatcher } from "undici";
import { AnswerBody } from "./answer-body.ts";
import { asFailure, OutboundFailure } from "./failure.ts";

export interface OutboundStreamRequest {
  headers?: Record<string, string>;
  body?: Uint8Array | string;
  /** Gives up, at any moment; before the answer it counts as `timeout`. */
  signal?: AbortSignal;
  /** Asked when the connection is there, before the first byte is written; false: not sent, a failure `too_late`. */
  mayBegin?(): boolean;
}

export interface OutboundStream {
  status: number;
  /** Names in lower case; several values joined by commas. */
  headers: Record<string, string>;
  /** As it comes over the wire, while it comes. Rejects where it breaks off. */
  body: AsyncIterableIterator<Uint8Array, undefined>;
}

export interface Addressed {
  method: "GET" | "POST";
  origin: string;
  path: string;
  /** For messages. */
  host: string;
}

/** Resolves with the head of the answer. Rejects with an OutboundFailure before it. */
export function streamed(
  dispatcher: Dispatcher,
  { method, origin, path, host }: Addressed,
  request: OutboundStreamRequest,
): Promise<OutboundStream> {
  return new Promise((resolve, reject) => {
    const answer = new AnswerHandler({ resolve, reject }, host, request);
    dispatcher.dispatch(
      { origin, path, method, headers: request.headers ?? {}, body: request.body ?? null },
      answer,
    );
  });
}

interface Head {
  resolve(stream: OutboundStream): void;
  reject(error: OutboundFailure): void;
}

/** undici's own `request` makes a stream of every answer, which costs more than all the rest of a short one. */
class AnswerHandler implements Dispatcher.DispatchHandler {
  readonly #head: Head;
  readonly #host: string;
  readonly #request: OutboundStreamRequest;
  #controller: Dispatcher.DispatchController | null = null;
  #body: AnswerBody | null = null;
  #ended = false;

  constructor(head: Head, host: string, request: OutboundStreamRequest) {
    this.#head = head;
    this.#host = host;
    this.#request = request;
    request.signal?.addEventListener("abort", this.#giveUp, { once: true });
    if (request.signal?.aborted) this.#giveUp();
  }

  readonly #giveUp = () => {
    const error = new OutboundFailure("timeout", `${this.#host} was given up waiting for`);
    this.#fail(error);
    this.#controller?.abort(error);
  };

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    // Given up while a connection was waited for.
    if (this.#ended) controller.abort(new Error("given up"));
    else if (this.#request.mayBegin?.() === false) {
      const error = new OutboundFailure("too_late", "it was too late to send the request");
      this.#fail(error);
      controller.abort(error);
    }
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    // Informational answers come before the one that counts.
    if (status < 200) return;
    this.#body = new AnswerBody({
      pause: () => controller.pause(),
      resume: () => controller.resume(),
      cut: () => controller.abort(new Error("nobody reads the answer")),
    });
    this.#head.resolve({ status, headers: flatten(headers), body: this.#body });
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#body?.push(chunk);
  }

  onResponseEnd(): void {
    this.#end(null);
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#fail(asFailure(error, this.#host));
  }

  #fail(error: OutboundFailure): void {
    this.#head.reject(error);
    this.#end(error);
  }

  #end(error: Error | null): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#request.signal?.removeEventListener("abort", this.#giveUp);
    this.#body?.end(error);
  }
}

export function flatten(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  const flat: Record<string, string> = {};
  for (const name in headers) {
    const value = headers[name];
    if (value !== undefined) flat[name] = Array.isArray(value) ? value.join(", ") : value;
  }
  return flat;
}

/** What a handler is given of one request. Few ask for its address or its signal, and both are dear to make: they are made then. */
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Call } from "./route.ts";

type Read = Omit<Call, "url" | "signal">;

/**
 * A class on purpose: an object that is made with accessors of its own gets a shape of its own, which keeps it, with the whole request
 * and its answer, until the next full collection. Each request that outlived its answer so was copied twice meanwhile.
 */
export class IncomingCall implements Call {
  readonly params: Read["params"];
  readonly query: Read["query"];
  readonly body: Read["body"];
  readonly rawBody: Read["rawBody"];
  readonly headers: Read["headers"];
  readonly caller: Read["caller"];
  readonly remark: Read["remark"];
  readonly trace: Read["trace"];
  readonly #request: FastifyRequest;
  readonly #reply: FastifyReply;
  readonly #publicUrl: string;

  constructor(
    read: Read,
    { request, reply, publicUrl }: { request: FastifyRequest; reply: FastifyReply; publicUrl: string },
  ) {
    this.params = read.params;
    this.query = read.query;
    this.body = read.body;
    this.rawBody = read.rawBody;
    this.headers = read.headers;
    this.caller = read.caller;
    this.remark = read.remark;
    this.trace = read.trace;
    this.#request = request;
    this.#reply = reply;
    this.#publicUrl = publicUrl;
  }

  get url(): URL {
    return new URL(this.#publicUrl + this.#request.url);
  }

  get signal(): AbortSignal {
    return goneSignal(this.#reply);
  }
}

function goneSignal(reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  const onClose = () => {
    if (!reply.raw.writableFinished) controller.abort();
  };
  if (reply.raw.closed) onClose();
  else reply.raw.once("close", onClose);
  return controller.signal;
}

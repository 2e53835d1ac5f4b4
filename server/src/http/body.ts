/** Reads a request's body: bounded bytes, then strict JSON, then the schema. Never buffers more than allowed. */
import type { IncomingMessage } from "node:http";
import { NoBody, Problem, validate } from "@master-orchestrator/contract";
import { parseStrictJson } from "@master-orchestrator/contract/json";
import type { Route } from "./route.ts";

/** What a body may have unless its route says otherwise. */
export const MAX_BODY_BYTES = 1.5 * 1024 * 1024;
/** What is thrown away of a body that is too large, so that the client gets to read its answer. */
const MAX_DISCARDED_BYTES = 64 * 1024 * 1024;

export interface Body {
  raw: Uint8Array;
  value: unknown;
}

/**
 * Takes the body of `message` as its route wants it. Throws Problem `payload_too_large`,
 * `unsupported_media_type`, `invalid_json`, `json_too_deep` or `validation_failed`.
 */
export async function takeBody(route: Route, message: IncomingMessage): Promise<Body> {
  if (route.method === "GET") return { raw: new Uint8Array(), value: undefined };
  const declared = Number(message.headers["content-length"] ?? 0);
  if (!route.raw && declared > 0) refuseOtherTypes(message);
  const raw = await readBytes(message, route.maxBodyBytes ?? MAX_BODY_BYTES);
  if (route.raw) return { raw, value: undefined };
  if (raw.length > 0) refuseOtherTypes(message);
  return { raw, value: understand(route, raw) };
}

function understand(route: Route, raw: Uint8Array): unknown {
  if (!route.body) {
    if (raw.length > 0) validate(NoBody, parseStrictJson(raw));
    return undefined;
  }
  // A schema that takes "nothing" documents a body that may be left out.
  if (raw.length === 0 && route.body.safeParse(undefined).success) return validate(route.body, undefined);
  if (raw.length === 0) {
    throw new Problem(
      "invalid_json",
      "the body is empty",
      "Send a JSON object; its schema is in /openapi.json.",
    );
  }
  return validate(route.body, parseStrictJson(raw));
}

function refuseOtherTypes(message: IncomingMessage): void {
  const type = message.headers["content-type"];
  if (type === "application/json" && message.headers["content-encoding"] === undefined) return;
  const [essence = "", ...parameters] = (type ?? "").split(";").map((part) => part.trim().toLowerCase());
  const charset = parameters.find((parameter) => parameter.startsWith("charset="))?.slice(8);
  if (essence !== "application/json" || (charset !== undefined && !/^"?utf-?8"?$/.test(charset))) {
    throw new Problem(
      "unsupported_media_type",
      type === undefined ? "the body has no Content-Type" : `the Content-Type is "${type.slice(0, 100)}"`,
      "Send JSON in UTF-8 as `Content-Type: application/json`.",
    );
  }
  const coding = message.headers["content-encoding"];
  if (coding !== undefined && coding.toLowerCase() !== "identity") {
    throw new Problem(
      "unsupported_media_type",
      `the Content-Encoding is "${coding.slice(0, 100)}"`,
      "Send the body uncompressed.",
    );
  }
}

/** All bytes, or Problem `payload_too_large` as soon as that is known, with or without a declared length. */
function readBytes(message: IncomingMessage, limit: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let received = 0;
    let refused = false;
    const refuse = () => {
      refused = true;
      chunks.length = 0;
      reject(
        new Problem(
          "payload_too_large",
          `the body is larger than ${limit} bytes`,
          "Split it into several requests, or leave out what is not needed.",
          { max_bytes: limit },
        ),
      );
    };
    message.on("data", (chunk: Buffer) => {
      received += chunk.length;
      if (!refused && received > limit) refuse();
      if (!refused) chunks.push(chunk);
      // Closing at once would reset the connection before the client has read why; but not forever.
      else if (received > MAX_DISCARDED_BYTES) message.destroy();
    });
    message.once("end", () => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)));
    message.once("error", reject);
    message.once("close", () => {
      if (message.complete) return;
      reject(new Problem("invalid_request", "the body was cut off", "Send the whole body."));
    });
    if (Number(message.headers["content-length"] ?? 0) > limit) refuse();
  });
}

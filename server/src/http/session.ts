/** Owns the session of a person at the dashboard: a cookie that stands for an API key, without holding it. Stores nothing. */
import { createHmac, type KeyObject, timingSafeEqual } from "node:crypto";
import { Problem } from "@master-orchestrator/contract";
import type { Caller, HeaderLookup, Method } from "./route.ts";

/** Browsers send it with requests of the dashboard itself; a form or a link of another site cannot. */
export const CLIENT_HEADER = "x-orchestrator-client";
const COOKIE = "mo_session";
const LASTS_MS = 12 * 3_600_000;
const SAFE: readonly Method[] = ["GET"];

export interface KeyLookup {
  /** The caller that a key id stands for, and the hash of its key; throws `unauthorized` when it is not valid (any more). */
  byId(keyId: string): Promise<{ caller: Extract<Caller, { kind: "key" }>; secretHash: Uint8Array }>;
}

export interface Sessions {
  /** The `set-cookie` header of a new session for a caller, and its end. */
  open(caller: Extract<Caller, { kind: "key" }>): Promise<{ cookie: string; expiresAtMs: number }>;
  /** The caller of the request's session; null without one. Throws `unauthorized` for one that is over. */
  read(headers: HeaderLookup, method: Method): Promise<Caller | null>;
  /** The `set-cookie` header that ends it. */
  close(): string;
}

/** The cookie is signed with the key's hash as well: a key that is revoked or replaced ends its sessions. */
export function createSessions(options: {
  secret: KeyObject;
  keys: KeyLookup;
  nowMs(): number;
  /** Whether browsers reach us by HTTPS: the cookie is then sent no other way. */
  secure: boolean;
}): Sessions {
  const { secret, keys, nowMs } = options;
  const attributes = `Path=/; HttpOnly; SameSite=Strict${options.secure ? "; Secure" : ""}`;
  const mac = (keyId: string, expires: string, secretHash: Uint8Array) =>
    createHmac("sha256", secret).update(`session:${keyId}:${expires}:`).update(secretHash).digest();

  return {
    async open({ keyId }) {
      const expiresAtMs = nowMs() + LASTS_MS;
      const { secretHash } = await keys.byId(keyId);
      const signed = mac(keyId, String(expiresAtMs), secretHash).toString("base64url");
      const cookie = `${COOKIE}=${keyId}.${expiresAtMs}.${signed}; Max-Age=${LASTS_MS / 1000}; ${attributes}`;
      return { cookie, expiresAtMs };
    },
    async read(headers, method) {
      const given = cookieOf(headers.get("cookie"));
      if (given === null) return null;
      const [keyId, expires, signed] = given.split(".") as [string, string | undefined, string | undefined];
      if (!/^\d{1,15}$/.test(expires ?? "") || signed === undefined || Number(expires) <= nowMs())
        throw over();
      const { caller, secretHash } = await keys.byId(keyId);
      const expected = mac(keyId, expires as string, secretHash).toString("base64url");
      if (signed.length !== expected.length || !timingSafeEqual(Buffer.from(signed), Buffer.from(expected))) {
        throw over();
      }
      if (!SAFE.includes(method) && headers.get(CLIENT_HEADER) === null) {
        throw new Problem(
          "forbidden",
          "a session alone may not change anything",
          `Send the header ${CLIENT_HEADER} along, or use an API key.`,
        );
      }
      return caller;
    },
    close: () => `${COOKIE}=; Max-Age=0; ${attributes}`,
  };
}

function cookieOf(header: string | null): string | null {
  for (const pair of header?.split(";") ?? []) {
    const [name, value] = pair.trim().split("=", 2);
    if (name === COOKIE && value) return value;
  }
  return null;
}

function over(): Problem {
  return new Problem("unauthorized", "the session is over", "Log in again with an API key.");
}

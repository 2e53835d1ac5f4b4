/** Tells who is calling from the bearer credential, and what a caller may open. Keeps no key, only hashes. */
import { randomBytes, hash as sha, timingSafeEqual } from "node:crypto";
import { Problem, type Role } from "@master-orchestrator/contract";
import type { StoredKey } from "#store/api-keys.ts";
import type { Access, Caller, HeaderLookup } from "./route.ts";
import type { KeyLookup } from "./session.ts";

export interface AuthenticatorOptions {
  /** ORCHESTRATOR_ADMIN_KEY, or the one that the first start generated. */
  adminKey?: string;
  findKey(keyId: string): Promise<StoredKey | null>;
  /** Null for anything that is not a token of ours; that an attempt is over is the handler's business. */
  verifyExecutionToken(token: string): { executionId: string; attempt: number } | null;
  nowMs(): number;
}

export interface Authenticator extends KeyLookup {
  /** The caller; anonymous without an Authorization header. Throws Problem `unauthorized` for a wrong one. */
  authenticate(headers: HeaderLookup): Promise<Caller>;
  /** The same for a credential that came in another place (the gateway's clients have their own). */
  identify(credential: string): Promise<Caller>;
  /** Forgets what is remembered of a key, so that a revocation counts at once in this process. */
  invalidate(keyId: string): void;
  /** Forgets what is remembered of all keys: they are looked up again. */
  forget(): void;
}

/** How long a key that was looked up is remembered, and how many of them. */
const REMEMBER_MS = 5_000;
const REMEMBER_AT_MOST = 1_000;

const API_KEY = /^mo_([a-z0-9]{12,32})_([A-Za-z0-9_-]{43,128})$/;
const KEY_ID_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789";

/** A new API key: shown once, stored as its hash. */
export function mintApiKey(): { keyId: string; key: string; secretHash: Uint8Array } {
  const keyId = [...randomBytes(16)].map((byte) => KEY_ID_ALPHABET[byte % 32]).join("");
  const key = `mo_${keyId}_${randomBytes(32).toString("base64url")}`;
  return { keyId, key, secretHash: hash(key) };
}

const ADMIN = { kind: "key", keyId: "admin", name: "the admin key", role: "admin" } as const;

export function createAuthenticator(options: AuthenticatorOptions): Authenticator {
  const adminHash = options.adminKey === undefined ? null : hash(options.adminKey, "utf8");
  const remembered = new Map<string, { key: StoredKey | null; atMs: number }>();
  let generations = 0;

  async function lookUp(keyId: string): Promise<StoredKey | null> {
    const nowMs = options.nowMs();
    const known = remembered.get(keyId);
    if (known && nowMs - known.atMs < REMEMBER_MS && nowMs >= known.atMs) return known.key;
    const generation = generations;
    const key = await options.findKey(keyId);
    // A revocation may have come while the row was read: then what was read is not remembered.
    if (generation === generations) remember(keyId, key, nowMs);
    return key;
  }
  function remember(keyId: string, key: StoredKey | null, atMs: number): void {
    remembered.delete(keyId);
    if (remembered.size >= REMEMBER_AT_MOST) remembered.delete(remembered.keys().next().value!);
    remembered.set(keyId, { key, atMs });
  }

  async function identify(credential: string): Promise<Caller> {
    const isToken = credential.startsWith("moe_");
    const verified = isToken ? options.verifyExecutionToken(credential) : null;
    if (verified) return { kind: "execution", ...verified };
    const given = hash(credential);
    if (adminHash && timingSafeEqual(given, adminHash)) return ADMIN;
    if (isToken) {
      throw refused("the execution token is not valid", "Use the token of the dispatch, as it came.");
    }
    const keyId = API_KEY.exec(credential)?.[1];
    if (keyId === undefined) {
      throw refused("the credential is neither an API key nor an execution token", HOW);
    }
    const key = await lookUp(keyId);
    // An unknown id is compared too, so that the time tells nothing.
    const matches = timingSafeEqual(given, key ? sized(key.secretHash) : hash(""));
    if (!key || !matches) throw refused("the API key is not known", HOW);
    return callerOf(key);
  }

  /** Throws `unauthorized` for a key that is not valid any more. */
  function callerOf(key: StoredKey): Extract<Caller, { kind: "key" }> {
    if (key.revokedAtMs !== null) {
      throw refused("the API key was revoked", "Ask an administrator for a new key.");
    }
    if (key.expiresAtMs !== null && key.expiresAtMs <= options.nowMs()) {
      const when = new Date(key.expiresAtMs).toISOString();
      throw refused(`the API key expired at ${when}`, "Ask an administrator for a new key.");
    }
    return { kind: "key", keyId: key.keyId, name: key.name, role: key.role };
  }

  return {
    identify,
    async byId(keyId) {
      if (keyId === ADMIN.keyId && adminHash) return { caller: ADMIN, secretHash: adminHash };
      const key = await lookUp(keyId);
      if (!key) throw refused("the API key of this session is not known", "Log in again.");
      return { caller: callerOf(key), secretHash: key.secretHash };
    },
    async authenticate(headers) {
      const header = headers.get("authorization");
      if (header === null) return { kind: "anonymous" };
      const credential = /^Bearer +(\S.*)$/i.exec(header.trim())?.[1];
      if (credential === undefined) throw refused("the Authorization header is not a bearer credential", HOW);
      return identify(credential);
    },
    invalidate(keyId) {
      generations++;
      remembered.delete(keyId);
    },
    forget() {
      generations++;
      remembered.clear();
    },
  };
}

const HOW = "Send `Authorization: Bearer <key>` with a key of this orchestrator.";

function refused(message: string, hint: string): Problem {
  return new Problem("unauthorized", message, hint, {
    headers: { "www-authenticate": 'Bearer realm="orchestrator", error="invalid_token"' },
  });
}

/**
 * Hashing both sides makes lengths equal and comparisons constant in time. Header text is given to us as
 * Latin-1, one character for a byte; a key from the environment is UTF-8.
 */
function hash(text: string, encoding: "latin1" | "utf8" = "latin1"): Buffer {
  return sha("sha256", Buffer.from(text, encoding), "buffer");
}

/** A stored hash of a wrong length (a damaged row) matches nothing, instead of throwing. */
function sized(stored: Uint8Array): Uint8Array {
  return stored.length === 32 ? stored : hash("");
}

const OPEN_TO: Record<Exclude<Access, "public" | "execution">, readonly Role[]> = {
  viewer: ["viewer", "operator", "admin"],
  worker: ["worker", "operator", "admin"],
  operator: ["operator", "admin"],
  admin: ["admin"],
};

/** Whether a caller may open a route of this access; of several accesses any is enough. */
export function allows(access: Access | readonly Access[], caller: Caller): boolean {
  const accesses: readonly Access[] = typeof access === "string" ? [access] : access;
  return accesses.some((one) => {
    if (one === "public") return true;
    if (one === "execution") return caller.kind === "execution";
    return caller.kind === "key" && OPEN_TO[one].includes(caller.role);
  });
}

/** Throws Problem `unauthorized` (nobody) or `forbidden` (somebody else) unless the caller may. */
export function requireAccess(access: Access | readonly Access[], caller: Caller): void {
  if (allows(access, caller)) return;
  if (caller.kind === "anonymous") throw new Problem("unauthorized", "a key is needed here", HOW);
  const needed = (typeof access === "string" ? [access] : access).join(" or ");
  if (caller.kind === "execution") {
    throw new Problem(
      "forbidden",
      "an execution token opens only its own attempt's calls",
      "Use an API key here.",
    );
  }
  if (needed === "execution") {
    throw new Problem(
      "forbidden",
      "only the token of the attempt opens this, not an API key",
      "Use `authentication.token` of the dispatch.",
    );
  }
  throw new Problem(
    "forbidden",
    `a key of the role "${caller.role}" may not do this`,
    `Use a key of the role ${needed}.`,
  );
}

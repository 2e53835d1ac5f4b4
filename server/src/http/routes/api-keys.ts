/** Owns the API of API keys: making, listing, revoking. A key is shown once, when it is made. */
import {
  ApiKey,
  ApiKeyList,
  NewApiKey,
  NewApiKeyAnswer,
  PageQuery,
  Problem,
} from "@master-orchestrator/contract";
import { z } from "zod";
import { findApiKey, insertApiKey, listApiKeys, revokeApiKey, type StoredKey } from "#store/api-keys.ts";
import type { Queryable } from "#store/database.ts";
import { mintApiKey } from "../auth.ts";
import { pagesOf } from "../cursor.ts";
import { wrongField } from "../problem.ts";
import { actorOf, defineRoute, type Route } from "../route.ts";

export interface ApiKeyRouteOptions {
  db: Queryable;
  /** The authenticator's: what is remembered of a revoked key must go at once. */
  invalidate(keyId: string): void;
  nowMs(): number;
}

const Params = z.object({ key_id: z.string().regex(/^[a-z0-9]{1,64}$/, "is not the id of a key") });

export function apiKeyRoutes(options: ApiKeyRouteOptions): Route[] {
  const { db } = options;
  const about = { tag: "API keys", access: "admin" } as const;
  return [
    defineRoute({
      ...about,
      method: "POST",
      path: "/api/v1/api-keys",
      summary: "Make an API key; it is shown this once",
      body: NewApiKey,
      answers: { 201: NewApiKeyAnswer },
      async handle({ body, caller, remark }) {
        const expiresAtMs = body.expires_at ? Date.parse(body.expires_at) : null;
        if (expiresAtMs !== null && expiresAtMs <= options.nowMs()) {
          throw wrongField("/expires_at", "must lie in the future");
        }
        const { keyId, key, secretHash } = mintApiKey();
        const { name, role } = body;
        await insertApiKey(db, { keyId, name, role, secretHash, createdBy: actorOf(caller), expiresAtMs });
        options.invalidate(keyId);
        remark({ target: keyId, after: { key_id: keyId, name, role } });
        return { status: 201, body: { key_id: keyId, key } };
      },
    }),
    defineRoute({
      ...about,
      method: "GET",
      path: "/api/v1/api-keys",
      summary: "All API keys, revoked ones too, the oldest first",
      query: PageQuery,
      answers: { 200: ApiKeyList },
      async handle({ query }) {
        // Keys are never deleted and stand in the order of their making: an offset is a true cursor.
        const pages = pagesOf("api_keys", query, /^\d{1,9}$/);
        const offset = Number(pages.after() ?? 0);
        const keys = await listApiKeys(db, offset, query.limit + 1);
        const next = pages.next(keys, () => String(offset + query.limit), keys.length > query.limit);
        return { status: 200, body: { api_keys: keys.slice(0, query.limit).map(shown), next_cursor: next } };
      },
    }),
    defineRoute({
      ...about,
      method: "GET",
      path: "/api/v1/api-keys/:key_id",
      summary: "One API key, without its secret",
      params: Params,
      answers: { 200: ApiKey },
      async handle({ params }) {
        const key = await findApiKey(db, params.key_id);
        if (!key) throw noSuchKey(params.key_id);
        return { status: 200, body: shown(key) };
      },
    }),
    defineRoute({
      ...about,
      method: "DELETE",
      path: "/api/v1/api-keys/:key_id",
      summary: "Revoke an API key, at once and for good",
      params: Params,
      answers: { 200: ApiKey },
      async handle({ params }) {
        const key = await revokeApiKey(db, params.key_id);
        options.invalidate(params.key_id);
        if (!key) throw noSuchKey(params.key_id);
        return { status: 200, body: shown(key) };
      },
    }),
  ];
}

function noSuchKey(keyId: string): Problem {
  return new Problem("not_found", `there is no API key "${keyId}"`, "List them with GET /api/v1/api-keys.");
}

function shown(key: StoredKey): z.input<typeof ApiKey> {
  return {
    key_id: key.keyId,
    name: key.name,
    role: key.role,
    created_at: new Date(key.createdAtMs).toISOString(),
    expires_at: isoOrNull(key.expiresAtMs),
    revoked_at: isoOrNull(key.revokedAtMs),
  };
}

function isoOrNull(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}

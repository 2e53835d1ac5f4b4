/** The AI gateway's doors: who calls, which provider, which path. The call itself is `gateway/`'s. */
import { Problem } from "@master-orchestrator/contract";
import type { Gateway } from "#gateway/gateway.ts";
import { GEMINI_AS_OPENAI } from "#gateway/operations.ts";
import { type ProviderName, type Refusal, refusal, refusalBody, refusalHeaders } from "#gateway/providers.ts";
import type { Attribution } from "#gateway/walk.ts";
import type { Authenticator } from "../auth.ts";
import {
  type Answer,
  actorOf,
  type Call,
  type Caller,
  defineRoute,
  type HeaderLookup,
  type Route,
} from "../route.ts";

/** Requests with images are larger than others. */
const MAX_CALL_BYTES = 20 * 1024 * 1024;
const DOORS: Record<ProviderName, string> = { openai: "/ai/openai/v1", gemini: "/ai/gemini" };

export interface GatewayRoutesContext {
  gateway: Gateway;
  identify: Authenticator["identify"];
}

export function gatewayRoutes(context: GatewayRoutesContext): Route[] {
  return (["openai", "gemini"] as const).flatMap((provider) =>
    (["GET", "POST"] as const).map((method) =>
      defineRoute({
        method,
        path: `${DOORS[provider]}/*`,
        summary: `Pass a call through to ${provider}, unchanged`,
        description:
          "The execution's token, or a worker key, goes where the provider's clients put their key.",
        tag: "Gateway",
        access: "public",
        raw: true,
        traced: "joins",
        maxBodyBytes: MAX_CALL_BYTES,
        answers: {
          200: { description: "The provider's answer, streams too", contentType: "application/json" },
        },
        reword: (problem, url) => reworded(formOf(provider, url), problem),
        handle: (call) => pass(context, provider, method, call),
      }),
    ),
  );
}

async function pass(
  { gateway, identify }: GatewayRoutesContext,
  provider: ProviderName,
  method: "GET" | "POST",
  { headers, url, rawBody, signal, caller, trace }: Call,
): Promise<Answer> {
  const path = pathBehind(DOORS[provider], url);
  const form = formOf(provider, url.pathname);
  const attribution = await whoCalls(identify, credentialOf(provider, headers, url), (key) =>
    // The server has looked at the Authorization header already.
    caller.kind !== "anonymous" && key === bearerOf(headers) ? caller : null,
  );
  if (attribution === null) {
    return refused(
      form,
      refusal(
        401,
        "invalid_api_key",
        "the gateway does not know this key",
        "Use authentication.token of the dispatch, or a worker key, in place of the provider's key",
      ),
    );
  }
  if (path === null) {
    return refused(
      form,
      refusal(
        404,
        "not_found",
        "the path leaves the gateway",
        "Send the provider's own path behind the gateway's base URL, without dots",
      ),
    );
  }
  const answer = await gateway.call({
    provider,
    method,
    path,
    search: withoutKey(url),
    headers: passedOn(headers),
    body: rawBody,
    attribution,
    gone: signal,
    trace,
  });
  if ("code" in answer) return refused(form, answer);
  const type = answer.headers["content-type"] ?? "application/octet-stream";
  return { status: answer.status, headers: { ...answer.headers, "content-type": type }, body: answer.body };
}

function withoutKey(url: URL): string {
  if (url.search === "") return "";
  const query = new URLSearchParams(url.searchParams);
  query.delete("key");
  return query.size > 0 ? `?${query}` : "";
}

/** Gemini speaks OpenAI's language as well, and its clients of that kind expect OpenAI's errors. */
function formOf(provider: ProviderName, path: string): ProviderName {
  return path.includes(`${DOORS[provider]}${GEMINI_AS_OPENAI}/`) ? "openai" : provider;
}

/** What went wrong before the gateway had its say: a body too large, a database that is away. */
function reworded(form: ProviderName, { status, headers, body }: Answer): Answer {
  const { code, detail, hint } = body as { code: string; detail: string; hint: string };
  const told = refused(form, refusal(status, code, detail, hint));
  const { "content-type": _, ...kept } = headers ?? {};
  return { ...told, headers: { ...kept, ...told.headers } };
}

/** Of a client's headers those that are the provider's business. */
const PASSED_ON = ["content-type", "accept", "openai-beta", "x-client-request-id", "x-goog-api-client"];

function passedOn(headers: HeaderLookup): Record<string, string> {
  const given: Record<string, string> = {};
  for (const name of PASSED_ON) {
    const value = headers.get(name);
    if (value !== null) given[name] = value;
  }
  return given;
}

/** The key where each provider's clients put it. */
function credentialOf(provider: ProviderName, headers: HeaderLookup, url: URL): string | null {
  if (provider === "openai") return bearerOf(headers);
  return headers.get("x-goog-api-key") ?? url.searchParams.get("key") ?? bearerOf(headers);
}

function bearerOf(headers: HeaderLookup): string | null {
  return /^Bearer +(\S+)$/i.exec(headers.get("authorization") ?? "")?.[1] ?? null;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const MOST_RUN_LETTERS = 200;

/**
 * Worker and admin keys, and the token of an attempt (that it is the current one is asked when the call is admitted).
 * A worker key may bear `.<run id>`: whom the call is attributed to, not part of the key. Null: nobody we know.
 */
async function whoCalls(
  identify: Authenticator["identify"],
  credential: string | null,
  known: (key: string) => Caller | null,
): Promise<Attribution | null> {
  if (credential === null) return null;
  const dot = credential.startsWith("mo_") ? credential.indexOf(".") : -1;
  const key = dot < 0 ? credential : credential.slice(0, dot);
  const run = dot < 0 ? null : credential.slice(dot + 1, dot + 1 + MOST_RUN_LETTERS) || null;
  const asAnonymous = (error: unknown): Caller => {
    if (error instanceof Problem) return { kind: "anonymous" };
    throw error;
  };
  const caller = known(key) ?? (await identify(key).catch(asAnonymous));
  const actor = actorOf(caller);
  if (caller.kind === "execution") {
    return { executionId: caller.executionId, attempt: caller.attempt, run: null, actor };
  }
  if (caller.kind !== "key" || (caller.role !== "worker" && caller.role !== "admin")) return null;
  return { executionId: run !== null && UUID.test(run) ? run : null, attempt: null, run, actor };
}

/**
 * What stands behind the door, with its leading slash; null where dots have led out of it. Cutting off
 * a fixed length instead would let a path like `/ai/gemini/../../x.example` rewrite the provider's host.
 */
function pathBehind(door: string, url: URL): string | null {
  const at = url.pathname.indexOf(`${door}/`);
  return at < 0 ? null : url.pathname.slice(at + door.length);
}

function refused(form: ProviderName, refusal: Refusal): Answer {
  return { status: refusal.status, headers: refusalHeaders(refusal), body: refusalBody(form, refusal) };
}

/** The AI gateway's doors: who calls, which provider, which path. The call itself is `gateway/`'s. */
import { Problem } from "@master-orchestrator/contract";
import type { Config } from "#config.ts";
import { forward } from "#gateway/forward.ts";
import { type ProviderName, type Refusal, refusalBody } from "#gateway/providers.ts";
import type { Outbound } from "#outbound/client.ts";
import type { Authenticator } from "../auth.ts";
import { type Answer, type Call, type Caller, defineRoute, type HeaderLookup, type Route } from "../route.ts";

/** Requests with images are larger than others. */
const MAX_CALL_BYTES = 20 * 1024 * 1024;
const DOORS: Record<ProviderName, string> = { openai: "/ai/openai/v1", gemini: "/ai/gemini" };

export interface GatewayRoutesContext {
  config: Pick<Config, "openai" | "gemini">;
  outbound: Outbound;
  identify: Authenticator["identify"];
  /** Whether an attempt is still the current one of a live execution. */
  isOpen(executionId: string, attempt: number): Promise<boolean>;
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
        maxBodyBytes: MAX_CALL_BYTES,
        answers: {
          200: { description: "The provider's answer, streams too", contentType: "application/json" },
        },
        handle: (call) => pass(context, provider, method, call),
      }),
    ),
  );
}

async function pass(
  context: GatewayRoutesContext,
  provider: ProviderName,
  method: "GET" | "POST",
  { headers, url, rawBody, signal }: Call,
): Promise<Answer> {
  const { config, outbound } = context;
  if (!(await mayCall(context, credentialOf(provider, headers, url)))) {
    return refused(provider, {
      status: 401,
      code: "invalid_api_key",
      message: "the gateway does not know this key",
      hint: "Use authentication.token of the dispatch, or a worker key, in place of the provider's key",
    });
  }
  const path = pathBehind(DOORS[provider], url);
  if (path === null) {
    return refused(provider, {
      status: 404,
      code: "not_found",
      message: "the path leaves the gateway",
      hint: "Send the provider's own path behind the gateway's base URL, without dots",
    });
  }
  const query = new URLSearchParams(url.searchParams);
  query.delete("key");
  const search = query.size > 0 ? `?${query}` : "";
  const answer = await forward(outbound, config[provider], {
    provider,
    method,
    path: path + search,
    contentType: headers.get("content-type"),
    accept: headers.get("accept"),
    body: rawBody,
    signal,
  });
  if ("code" in answer) return refused(provider, answer);
  const type = answer.headers["content-type"] ?? "application/octet-stream";
  return { status: answer.status, headers: { ...answer.headers, "content-type": type }, body: answer.body };
}

/** The key where each provider's clients put it. */
function credentialOf(provider: ProviderName, headers: HeaderLookup, url: URL): string | null {
  const bearer = /^Bearer +(\S+)$/i.exec(headers.get("authorization") ?? "")?.[1] ?? null;
  if (provider === "openai") return bearer;
  return headers.get("x-goog-api-key") ?? url.searchParams.get("key") ?? bearer;
}

/** A worker key may bear `.<run id>`: whom the call is attributed to, not part of the key. */
function withoutRun(credential: string): string {
  return credential.startsWith("mo_") ? (credential.split(".")[0] as string) : credential;
}

/** Worker and admin keys, and the token of an attempt for as long as the attempt lives. */
async function mayCall(
  { identify, isOpen }: GatewayRoutesContext,
  credential: string | null,
): Promise<boolean> {
  if (credential === null) return false;
  const caller = await identify(withoutRun(credential)).catch((error): Caller => {
    if (error instanceof Problem) return { kind: "anonymous" };
    throw error;
  });
  if (caller.kind === "execution") return isOpen(caller.executionId, caller.attempt);
  return caller.kind === "key" && (caller.role === "worker" || caller.role === "admin");
}

/**
 * What stands behind the door, with its leading slash; null where dots have led out of it. Cutting off
 * a fixed length instead would let a path like `/ai/gemini/../../x.example` rewrite the provider's host.
 */
function pathBehind(door: string, url: URL): string | null {
  const at = url.pathname.indexOf(`${door}/`);
  return at < 0 ? null : url.pathname.slice(at + door.length);
}

function refused(provider: ProviderName, refusal: Refusal): Answer {
  return { status: refusal.status, body: refusalBody(provider, refusal) };
}

/** The AI gateway's doors: who calls, which provider, which path. The call itself is `gateway/`'s. */
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
  { config, outbound, identify }: GatewayRoutesContext,
  provider: ProviderName,
  method: "GET" | "POST",
  { headers, url, rawBody, signal }: Call,
): Promise<Answer> {
  const credential = credentialOf(provider, headers, url);
  const caller = credential === null ? null : await identify(withoutRun(credential)).catch(() => null);
  if (!caller || !mayCall(caller)) {
    return refused(provider, {
      status: 401,
      code: "invalid_api_key",
      message: "the gateway does not know this key",
      hint: "Use authentication.token of the dispatch, or a worker key, in place of the provider's key",
    });
  }
  const query = new URLSearchParams(url.searchParams);
  query.delete("key");
  const search = query.size > 0 ? `?${query}` : "";
  const answer = await forward(outbound, config[provider], {
    provider,
    method,
    path: url.pathname.slice(DOORS[provider].length) + search,
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

function mayCall(caller: Caller): boolean {
  return caller.kind === "execution" || (caller.kind === "key" && ["worker", "admin"].includes(caller.role));
}

function refused(provider: ProviderName, refusal: Refusal): Answer {
  return { status: refusal.status, body: refusalBody(provider, refusal) };
}

/** Sessions over HTTP: log in with an API key, see who one is, log out. Keeps no key. */
import { LoginBody, Problem, Session } from "@master-orchestrator/contract";
import type { Authenticator } from "../auth.ts";
import { time } from "../present.ts";
import { type Caller, defineRoute, type Route } from "../route.ts";
import type { Sessions } from "../session.ts";

export function sessionRoutes(context: { identify: Authenticator["identify"]; sessions: Sessions }): Route[] {
  const { identify, sessions } = context;
  const about = { tag: "Keys", path: "/api/v1/session", answers: { 200: Session } } as const;
  return [
    defineRoute({
      ...about,
      method: "POST",
      summary: "Log in: a cookie for the dashboard in exchange for an API key",
      access: "public",
      body: LoginBody,
      async handle({ body, remark }) {
        const caller = personOf(await identify(body.key));
        remark({ caller, target: caller.name });
        const { cookie, expiresAtMs } = await sessions.open(caller);
        return {
          status: 200,
          headers: { "set-cookie": cookie },
          body: { name: caller.name, role: caller.role, expires_at: time(expiresAtMs) },
        };
      },
    }),
    defineRoute({
      ...about,
      method: "GET",
      summary: "Who I am",
      access: ["viewer", "worker"],
      async handle({ caller }) {
        const { name, role } = personOf(caller);
        return { status: 200, body: { name, role, expires_at: null } };
      },
    }),
    defineRoute({
      ...about,
      method: "DELETE",
      summary: "Log out",
      access: "public",
      answers: { 204: { description: "Nothing", contentType: "text/plain" } },
      handle: async () => ({ status: 204, headers: { "set-cookie": sessions.close() } }),
    }),
  ];
}

function personOf(caller: Caller): Extract<Caller, { kind: "key" }> {
  if (caller.kind === "key") return caller;
  throw new Problem(
    "forbidden",
    "this is no API key",
    "Log in with an API key; a token belongs to an attempt.",
  );
}

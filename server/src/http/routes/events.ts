/** Live events over HTTP, as server-sent events. Tells nothing that a list would not tell too. */
import { Uuid } from "@master-orchestrator/contract";
import type { LiveFeed } from "../live.ts";
import { wrongField } from "../problem.ts";
import { type Caller, defineRoute, type HeaderLookup, type Route } from "../route.ts";

const DESCRIPTION = `Two kinds. \`status\`: how the orchestrator stands (GET /api/v1/orchestrator), at once and after
every change. \`cycle\`: what a cycle has decided (GET /api/v1/cycles/{id} without its snapshot), with the cycle's id as the
event's; who comes back with \`Last-Event-ID\` gets what it has missed, up to 100 cycles. A comment every 15 s shows
that the stream is alive. It ends within seconds when its key is revoked or its session is over.`;

export function eventRoutes(context: {
  live: LiveFeed;
  /** Throws `unauthorized` once the credential is good no longer. */
  authenticate(headers: HeaderLookup, method: "GET"): Promise<Caller>;
}): Route[] {
  const { live, authenticate } = context;
  return [
    defineRoute({
      method: "GET",
      path: "/api/v1/events",
      summary: "What happens, as it happens (server-sent events)",
      description: DESCRIPTION,
      tag: "Orchestrator",
      access: "viewer",
      answers: { 200: { description: "A stream of events", contentType: "text/event-stream" } },
      async handle({ headers, signal }) {
        const after = headers.get("last-event-id");
        if (after !== null && !Uuid.safeParse(after).success) {
          throw wrongField("header/last-event-id", "is no id of an event of this stream");
        }
        return {
          status: 200,
          headers: { "content-type": "text/event-stream; charset=utf-8", "x-accel-buffering": "no" },
          body: await live.listen(after, signal, () => authenticate(headers, "GET")),
        };
      },
    }),
  ];
}

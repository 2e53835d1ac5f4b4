/** Hands a webhook's raw bytes to a built-in workflow of this process, as any HTTP server would. */
import { traceparentOf } from "@master-orchestrator/contract/trace";
import type { Workflow } from "@master-orchestrator/sdk";
import { defineRoute, type Route } from "../route.ts";

/** Ten tasks of the largest size, and their envelope. */
const MAX_DISPATCH_BYTES = 16 * 1024 * 1024;
const HEADERS = ["content-type", "webhook-id", "webhook-timestamp", "webhook-signature", "traceparent"];

export function builtInRoute(path: string, workflow: Workflow): Route {
  return defineRoute({
    method: "POST",
    path,
    summary: `The webhook of the built-in ${workflow.type}: signed, for the orchestrator only`,
    tag: "Sub-workflows",
    access: "public",
    raw: true,
    traced: "joins",
    maxBodyBytes: MAX_DISPATCH_BYTES,
    answers: { 202: { description: "Accepted", contentType: "application/json" } },
    async handle({ rawBody, headers, url, trace }) {
      const forwarded = new Headers();
      for (const name of HEADERS) {
        const value = headers.get(name);
        if (value !== null) forwarded.set(name, value);
      }
      if (trace) forwarded.set("traceparent", traceparentOf(trace));
      const body = Buffer.from(rawBody);
      const response = await workflow.handle(new Request(url, { method: "POST", headers: forwarded, body }));
      return {
        status: response.status,
        headers: Object.fromEntries(response.headers),
        body: Buffer.from(await response.arrayBuffer()),
      };
    },
  });
}

/** Owns /healthz (the process lives) and /readyz (it can do its work). Repairs nothing, tells no inner detail. */
import { Problem } from "@master-orchestrator/contract";
import { z } from "zod";
import type { Log } from "#log.ts";
import { defineRoute, type Route } from "../route.ts";

/** Resolves when the part works, else rejects; a Problem's message is shown, any other only logged. */
export type Check = () => Promise<unknown>;

/** A check that takes longer counts as failed: probes have time-outs of their own. */
const CHECK_TIMEOUT_MS = 2_000;

const Health = z.object({ status: z.literal("ok") }).meta({ id: "Health" });
const Readiness = z
  .object({
    status: z.enum(["ready", "not_ready"]),
    parts: z.record(z.string(), z.object({ ok: z.boolean(), detail: z.string().optional() })),
  })
  .meta({ id: "Readiness" });

export function healthRoutes(options: { checks: Record<string, Check>; log: Log }): Route[] {
  return [
    defineRoute({
      method: "GET",
      path: "/healthz",
      summary: "Whether the process is alive",
      tag: "Health",
      access: "public",
      answers: { 200: Health },
      async handle() {
        return { status: 200, body: { status: "ok" }, headers: { "cache-control": "no-store" } };
      },
    }),
    defineRoute({
      method: "GET",
      path: "/readyz",
      summary: "Whether every part that it needs works",
      tag: "Health",
      access: "public",
      answers: { 200: Readiness, 503: Readiness },
      async handle() {
        const entries = Object.entries(options.checks);
        const parts = await Promise.all(entries.map(([name, check]) => run(name, check, options.log)));
        const ready = parts.every((part) => part.ok);
        const body = {
          status: ready ? "ready" : "not_ready",
          parts: Object.fromEntries(entries.map(([name], i) => [name, parts[i]])),
        };
        return { status: ready ? 200 : 503, body, headers: { "cache-control": "no-store" } };
      },
    }),
  ];
}

async function run(name: string, check: Check, log: Log): Promise<{ ok: boolean; detail?: string }> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_resolve, reject) => {
    const late = new Problem("timeout", `no answer within ${CHECK_TIMEOUT_MS} ms`, "Look at the log.");
    timer = setTimeout(() => reject(late), CHECK_TIMEOUT_MS);
  });
  try {
    await Promise.race([check(), tooLate]);
    return { ok: true };
  } catch (error) {
    log.warn("A readiness check failed", { part: name, error });
    return { ok: false, detail: error instanceof Problem ? error.message : "failed; see the log" };
  } finally {
    clearTimeout(timer);
  }
}

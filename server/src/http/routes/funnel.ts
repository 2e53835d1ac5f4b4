/** Funnels over HTTP: asks for one and shows it. Counts and estimates nothing. */
import { FunnelAnswer, FunnelQuery, Problem } from "@master-orchestrator/contract";
import type { z } from "zod";
import type { Database } from "#store/database.ts";
import { nowMs } from "#store/revenue.ts";
import { pagesOf } from "../cursor.ts";
import { defineRoute, type Route } from "../route.ts";

type Report = Omit<z.input<typeof FunnelAnswer>, "next_cursor"> & { more: boolean };

export interface FunnelDesk {
  funnel(query: {
    window: { fromMs: number; toMs: number };
    by: Report["by"];
    attribution: Report["attribution"];
    goal: string | null;
    lookbackDays: number;
    limit: number;
    offset: number;
  }): Promise<Report>;
}

const DAY_MS = 86_400_000;
const DEFAULT_DAYS = 28;
const MOST_DAYS = 400;
/** A page of a list that is counted anew each time is told by where it begins. */
const OFFSET = /^\d{1,7}$/;

export function funnelRoutes({ db, desk }: { db: Database; desk: FunnelDesk }): Route[] {
  return [
    defineRoute({
      tag: "Revenue",
      method: "GET",
      path: "/api/v1/content/funnel",
      summary: "Views, engagement, clicks, conversions and revenue, in all and by group, with intervals",
      description: "Events are counted, not readers. The methods and their limits are in docs/revenue.md.",
      access: "viewer",
      query: FunnelQuery,
      answers: { 200: FunnelAnswer },
      async handle({ query }) {
        const pages = pagesOf("funnel", query, OFFSET);
        const offset = Number(pages.after() ?? 0);
        const { by, attribution, limit, lookback_days: lookbackDays } = query;
        const window = windowOf(query, await nowMs(db));
        const report = await desk.funnel({
          ...{ window, by, attribution, goal: query.goal ?? null, lookbackDays, limit, offset },
        });
        const { more, ...shown } = report;
        const next_cursor = pages.next(report.groups, () => String(offset + limit), more);
        return { status: 200, body: { ...shown, next_cursor } };
      },
    }),
  ];
}

function windowOf({ from, to }: { from?: string | undefined; to?: string | undefined }, now: number) {
  const toMs = to === undefined ? now : Date.parse(to);
  const fromMs = from === undefined ? toMs - DEFAULT_DAYS * DAY_MS : Date.parse(from);
  const message =
    fromMs >= toMs
      ? "from must be earlier than to"
      : toMs - fromMs > MOST_DAYS * DAY_MS
        ? `at most ${MOST_DAYS} days`
        : null;
  if (message === null) return { fromMs, toMs };
  throw new Problem("validation_failed", `query/from: ${message}`, "Ask for a shorter time.", {
    errors: [{ path: "query/from", message }],
  });
}

/** Owns the list of routes and what each of them gets. Decides nothing. */
import { CONTENT_PUBLISHER, nameForLookUp, shownArticle } from "@master-orchestrator/content-pipeline";
import { Problem } from "@master-orchestrator/contract";
import { revenueDesk } from "@master-orchestrator/revenue-optimizer";
import { publisherTrial } from "#built-in-content.ts";
import type { Foundation } from "#foundation.ts";
import { createGateway } from "#gateway/gateway.ts";
import { openLiveFeed } from "#http/live.ts";
import { createPreview } from "#http/policy-preview.ts";
import type { Route } from "#http/route.ts";
import { adjustmentRoutes } from "#http/routes/adjustments.ts";
import { alertChannelRoutes } from "#http/routes/alert-channels.ts";
import { alertRoutes } from "#http/routes/alerts.ts";
import { apiKeyRoutes } from "#http/routes/api-keys.ts";
import { archiveRoutes } from "#http/routes/archives.ts";
import { articleRoutes } from "#http/routes/articles.ts";
import { attemptRoutes } from "#http/routes/attempts.ts";
import { auditRoutes } from "#http/routes/audit.ts";
import { budgetRoutes } from "#http/routes/budget.ts";
import { catalogRoutes } from "#http/routes/catalog.ts";
import { cycleRoutes } from "#http/routes/cycles.ts";
import { dashboardRoutes } from "#http/routes/dashboard.ts";
import { deadLetterRoutes } from "#http/routes/dead-letters.ts";
import { doctorRoutes } from "#http/routes/doctor.ts";
import { entityRoutes } from "#http/routes/entities.ts";
import { eventRoutes } from "#http/routes/events.ts";
import { executionRoutes } from "#http/routes/executions.ts";
import { experimentRoutes } from "#http/routes/experiments.ts";
import { funnelRoutes } from "#http/routes/funnel.ts";
import { gatewayRoutes } from "#http/routes/gateway.ts";
import { healthRoutes } from "#http/routes/health.ts";
import { importRoutes } from "#http/routes/imports.ts";
import { intelligenceRoutes } from "#http/routes/intelligence.ts";
import { lockRoutes } from "#http/routes/locks.ts";
import { metricRoutes } from "#http/routes/metrics.ts";
import { migrationRoutes } from "#http/routes/migration.ts";
import { opportunityRoutes } from "#http/routes/opportunities.ts";
import { orchestratorRoutes, showOrchestrator } from "#http/routes/orchestrator.ts";
import { overviewRoutes } from "#http/routes/overview.ts";
import { policyRoutes } from "#http/routes/policy.ts";
import { publisherRoutes } from "#http/routes/publishers.ts";
import { queueRoutes } from "#http/routes/queue.ts";
import { recoveryRoutes } from "#http/routes/recoveries.ts";
import { resourceRoutes } from "#http/routes/resources.ts";
import { reviewRoutes } from "#http/routes/reviews.ts";
import { seoRoutes } from "#http/routes/seo.ts";
import { sessionRoutes } from "#http/routes/session.ts";
import { strategyRoutes } from "#http/routes/strategies.ts";
import { taskRoutes } from "#http/routes/tasks.ts";
import { topicRoutes } from "#http/routes/topics.ts";
import { builtInRoute } from "#http/routes/webhooks.ts";
import { workflowRoutes } from "#http/routes/workflows.ts";
import { type Database, ping } from "#store/database.ts";
import { openRecorder } from "#store/recorder.ts";
import { revenueLibrary } from "#store/revenue.ts";
import manifest from "../package.json" with { type: "json" };

const SETTLED_WITHIN_MS = 5_000;

/** Every route of the service, with what it works on. */
export function buildRoutes(foundation: Foundation): Route[] {
  const { db, clock, outbound, authenticator, builtIns, governor, lockLine, late } = foundation;
  const { config, log } = foundation.options;
  const loop = () => {
    if (late.stopping) {
      throw new Problem("unavailable", "this replica is stopping", "Try again: another one takes it.");
    }
    if (late.loop) return late.loop;
    throw new Problem("unavailable", "the orchestrator is starting", "Try again in a second.");
  };
  const wake = () => late.loop?.wake();
  const wakeSoon = () => late.loop?.wakeSoon();
  const recorder = openRecorder(db, clock.gather);
  const requests = { db, recorder, wake, settled: () => loop().settled(SETTLED_WITHIN_MS) };
  const state = { db, version: manifest.version, nextTickMs: () => loop().nextTickMs() };
  late.live = openLiveFeed({ db, clock, log, status: () => showOrchestrator(state) });
  return [
    ...taskRoutes(requests),
    ...deadLetterRoutes(requests),
    ...executionRoutes(requests),
    ...attemptRoutes({ db, recorder, wake, wakeSoon, nowMs: clock.nowMs }),
    ...orchestratorRoutes({ ...state, wake, runNow: () => loop().runNow() }),
    ...cycleRoutes({ db }),
    ...eventRoutes({ live: late.live, authenticate: foundation.authenticate }),
    ...overviewRoutes({ ...state, tickIntervalMs: config.tickIntervalMs }),
    ...queueRoutes({ db, log, clock }),
    ...recoveryRoutes(requests),
    ...alertRoutes({ db }),
    ...alertChannelRoutes({
      ...{ db, outbound, publicUrl: config.publicUrl },
      mail: { smtpUrl: config.alerts.smtpUrl, from: config.alerts.emailFrom },
    }),
    ...policyRoutes({ db, changed: wake, preview: createPreview(db) }),
    ...adjustmentRoutes({ db, changed: wake }),
    ...workflowRoutes({ db, outbound, changed: wake }),
    ...topicRoutes({ db }),
    ...importRoutes({ db }),
    ...catalogRoutes({ db, desk: { shown: shownArticle, name: nameForLookUp } }),
    ...sessionRoutes({ identify: authenticator.identify, sessions: foundation.sessions }),
    ...apiKeyRoutes({ db, invalidate: authenticator.invalidate, nowMs: clock.nowMs }),
    ...gatewayRoutes({
      gateway: createGateway({
        ...{ db, governor, outbound, clock, log },
        providers: { openai: config.openai, gemini: config.gemini },
        replicaId: () => late.replicaId ?? null,
        tracer: foundation.tracing?.tracer ?? null,
      }),
      identify: authenticator.identify,
    }),
    ...lockRoutes({ db, log, line: lockLine }),
    ...migrationRoutes({
      ...{ db, n8n: config.n8n },
      migrate: () => late.migrate ?? null,
      wake: () => late.migrator?.wake(),
    }),
    ...resourceRoutes({ db }),
    ...metricRoutes({ db, ownFigures: foundation.figures.text, traces: foundation.tracing?.counts }),
    ...budgetRoutes({ db, governor, clock }),
    ...auditRoutes({ db }),
    ...doctorRoutes({ db, config }),
    ...archiveRoutes({ db, dataDir: config.dataDir }),
    ...articleRoutes({ db }),
    ...dashboardRoutes(),
    ...intelligenceRoutes({ db }),
    ...revenueRoutes(db),
    ...reviewRoutes({ db, publisherWorkflow: CONTENT_PUBLISHER, wake }),
    ...entityRoutes({ db }),
    ...publisherRoutes({ db, outbound, tryOut: publisherTrial({ config, outbound, clock }) }),
    ...seoRoutes({ db }),
    ...healthRoutes({ checks: { database: () => ping(db), loop: async () => loop() }, log }),
    ...builtIns.map((builtIn) => builtInRoute(builtIn.path, builtIn.workflow)),
  ];
}

function revenueRoutes(db: Database): Route[] {
  const desk = revenueDesk(revenueLibrary(db, { readWithinSeconds: 20 }));
  return [
    ...funnelRoutes({ db, desk }),
    ...experimentRoutes({ db, desk }),
    ...strategyRoutes({ db }),
    ...opportunityRoutes({ db }),
  ];
}

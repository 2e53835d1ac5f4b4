/** Builds the SEO monitor: over the own site as readers get it, and over the guarded way out. Audits nothing itself. */
import type { Workflow, WorkflowOptions } from "@master-orchestrator/sdk";
import {
  type SeoMonitorParts,
  type Site,
  seoMonitor,
  type Web,
  WebFailure,
  type WebFailureKind,
} from "@master-orchestrator/seo-monitor";
import type { Config } from "#config.ts";
import type { Clock } from "#engine/clock.ts";
import { type HostTurns, openHostTurns } from "#engine/host-turns.ts";
import { servedArticle } from "#http/articles/served.ts";
import type { Outbound } from "#outbound/client.ts";
import { type FailureKind, OutboundFailure } from "#outbound/failure.ts";
import { fetchWebPage } from "#outbound/web.ts";
import type { Database } from "#store/database.ts";
import { seoLibrary } from "#store/seo.ts";

export function seoMonitorOf(
  { db, config, outbound, clock }: { db: Database; config: Config; outbound: Outbound; clock: Clock },
  { providers, sdk }: { providers: SeoMonitorParts["providers"]; sdk: WorkflowOptions },
): Workflow {
  const site = ownSite(db, config);
  return seoMonitor({
    library: seoLibrary(db),
    site,
    web: webOf(outbound, openHostTurns(db, clock)),
    providers,
    sdk,
  });
}

/** The own site as the monitor audits it: the very answers that readers are sent. */
function ownSite(db: Database, { publicUrl, publicUrlIsDefault }: Config): Site {
  const baseUrl = publicUrl.replace(/\/+$/, "");
  return {
    baseUrl,
    isPublic: !publicUrlIsDefault,
    async page(slug) {
      const served = await servedArticle(db, slug, baseUrl);
      if (!served) return null;
      const { status, headers, body: html } = served;
      return { url: `${baseUrl}/articles/${encodeURIComponent(slug)}`, status, headers, html };
    },
  };
}

/** What the ways to fail mean to a crawler. */
const WEB_FAILURES: Readonly<Record<FailureKind, WebFailureKind>> = {
  refused_by_guard: "refused",
  dns: "unreachable",
  connect: "unreachable",
  too_late: "broken",
  timeout: "timeout",
  reset: "broken",
  too_large: "too_large",
};

function webOf(outbound: Outbound, turns: HostTurns): Web {
  return async (url, request) => {
    try {
      const { host } = new URL(url);
      return await turns.pass(host, request.pauseMs, request.signal, () =>
        fetchWebPage(outbound, url, request),
      );
    } catch (error) {
      request.signal.throwIfAborted();
      if (!(error instanceof OutboundFailure)) throw error;
      throw new WebFailure(WEB_FAILURES[error.kind], error.message);
    }
  };
}

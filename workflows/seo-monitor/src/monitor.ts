/** Owns the order of the steps from a task to a kept audit. Each step is kept; none is carried out here. */
import {
  type Clock,
  defineWorkflow,
  systemClock,
  type TaskContext,
  TaskRefused,
  type WithNext,
  type Workflow,
  type WorkflowOptions,
  withNext,
} from "@master-orchestrator/sdk";
import { DEFAULT_MODELS, type Provider, suggestTexts } from "./advice/model.ts";
import { recommend } from "./advice/recommend.ts";
import { type Checked, checkPage, checkUnread } from "./check.ts";
import { storable } from "./clean.ts";
import { freshenPrints } from "./corpus.ts";
import type { Library, OwnArticle, Site, Web } from "./library.ts";
import { type CheckedLinks, checkLinks } from "./links/check.ts";
import { type Crawler, openCrawler } from "./links/crawler.ts";
import { type Gates, openGates } from "./links/gates.ts";
import type { Fetched, PageFacts } from "./page/facts.ts";
import { fetchedFrom, fetchPage } from "./page/fetch.ts";
import type { Subject } from "./rules/rule.ts";
import type { Parts } from "./score.ts";
import { readSettings, type Settings } from "./settings.ts";
import { subjectOf } from "./subject.ts";
import { type Named, named, TaskSchema } from "./task.ts";

export const SEO_MONITOR = "seo_monitor";

export interface SeoMonitorParts {
  library: Library;
  site: Site;
  web: Web;
  /** Which providers have a key. Gemini is preferred; with neither, rules alone write suggestions. */
  providers: Readonly<Record<Provider, boolean>>;
  models?: Partial<Record<Provider, string>>;
  sdk?: WorkflowOptions;
}

/** What the task's `result_data` holds. */
export type AuditResult =
  | { audited: false; reason: string }
  | {
      audited: true;
      audit_id: string;
      url: string;
      slug: string | null;
      /** 0–100. */
      score: number;
      previous_score: number | null;
      parts: Parts;
      findings: number;
      recommendations: number;
      /** Recommendations that can be applied by approving them. */
      applicable: number;
      requests: number;
    };

/** The most that a task for all that is due hands on; the rest is due in the next one. */
const MAX_DUE = 20;
const CONCURRENCY = 4;
const ROBOTS_TIMEOUT_MS = 10_000;

interface House extends SeoMonitorParts {
  clock: Clock;
  gates: Gates;
}

/** The built-in sub-workflow: one audit for each page that a task of the batch names. */
export function seoMonitor(parts: SeoMonitorParts): Workflow {
  const clock = parts.sdk?.clock ?? systemClock;
  const house: House = { ...parts, clock, gates: openGates(clock) };
  return defineWorkflow(
    {
      type: SEO_MONITOR,
      input: TaskSchema,
      concurrency: CONCURRENCY,
      async preflight(context) {
        readSettings(context.params);
        const printed = await freshenPrints(parts.library, context.signal);
        if (printed > 0) context.log("articles were made comparable", { articles: printed });
      },
      run: (task, context) => audit(task.taskId, named(task.input), context, house),
    },
    parts.sdk,
  );
}

async function audit(
  taskId: string,
  what: Named,
  context: TaskContext,
  house: House,
): Promise<AuditResult | WithNext<AuditResult>> {
  const settings = readSettings(context.params);
  if (what.kind === "due") return await handOn(context, house.library);
  const found = await find(what, house);
  if ("reason" in found) return { audited: false, reason: found.reason };
  const crawler = crawlerFor(settings, context.signal, house);

  context.progress(0, "reading");
  const fetched = found.article
    ? await readOwn(found.article, house)
    : await context.step("fetch", () => fetchPage(found.url, { crawler, settings, atMs: house.clock.now() }));
  context.progress(0.3, "checking links");
  const links = await linksOf(fetched.facts, { crawler, settings, context, house });

  context.progress(0.8, "weighing");
  const subject = fetched.facts
    ? await subjectOf(found, fetched, fetched.facts, links, settings, house)
    : null;
  const checked = subject ? checkPage(subject) : checkUnread(fetched);
  const suggested = await suggest(subject, checked, context, house);
  const recommendations = recommend(checked, subject, suggested);

  context.progress(0.9, "keeping");
  const saved = await context.step("save", () => {
    context.signal.throwIfAborted();
    const { score, parts, findings, measures } = checked;
    const audit = {
      ...{ taskId, executionId: context.executionId, articleId: found.article?.articleId ?? null },
      ...{ url: fetched.url, score, parts, findings, measures, recommendations },
      dueAgainDays: dueAgainDays(score, settings),
    };
    return house.library.save(storable(audit));
  });
  if (crawler.requests() > 0) context.addCost(0, { http: crawler.requests() });
  context.log("audited", { url: fetched.url, score: checked.score, findings: checked.findings.length });
  return {
    ...{ audited: true, audit_id: saved.auditId, url: fetched.url, slug: found.article?.slug ?? null },
    ...{ score: checked.score, previous_score: saved.previousScore, parts: checked.parts },
    findings: checked.findings.length,
    recommendations: recommendations.length,
    applicable: recommendations.filter(({ changes }) => changes.length > 0).length,
    requests: crawler.requests(),
  };
}

/** A slot without a source: each article that is due becomes a task of its own. */
async function handOn(context: TaskContext, library: Library): Promise<AuditResult | WithNext<AuditResult>> {
  const due = await context.step("take", () => library.takeDue(MAX_DUE));
  if (due.length === 0) return { audited: false, reason: "no article is due" };
  const reason = `${due.length} articles are due: each is a task of its own`;
  const next = due.map((articleId) => ({ workflow_type: SEO_MONITOR, payload: { article_id: articleId } }));
  return withNext<AuditResult>({ audited: false, reason }, next);
}

/** What a task is about: an own article, or a page of the web. */
export interface Found {
  article: OwnArticle | null;
  url: string;
  /** For pages of the web. */
  keywords: string[] | null;
  contentType: string;
}

async function find(
  what: Exclude<Named, { kind: "due" }>,
  { library, site }: House,
): Promise<Found | { reason: string }> {
  const own = (article: OwnArticle): Found => ({
    ...{ article, url: `${site.baseUrl}/articles/${encodeURIComponent(article.slug)}` },
    ...{ keywords: null, contentType: article.contentType },
  });
  if (what.kind === "url") {
    const slug = ownSlug(what.url, site.baseUrl);
    const article = slug === null ? null : await library.article({ slug });
    return article ? own(article) : { article: null, ...what };
  }
  if (what.kind === "published_by") {
    const by = what.slug === null ? { taskId: what.taskId } : { slug: what.slug };
    const article = await library.article(by);
    // A task may end well without an article: one that waits for a review, for instance.
    return article ? own(article) : { reason: `task ${what.taskId} has no article that is published` };
  }
  const article = await library.article(
    what.kind === "slug" ? { slug: what.slug } : { articleId: what.articleId },
  );
  if (!article) {
    throw new TaskRefused(`there is no article ${what.kind === "slug" ? `"${what.slug}"` : what.articleId}`);
  }
  return own(article);
}

function ownSlug(url: string, baseUrl: string): string | null {
  const target = new URL(url);
  if (target.origin !== URL.parse(baseUrl)?.origin) return null;
  const slug = /^\/articles\/([^/]+)\/?$/.exec(target.pathname)?.[1];
  return slug === undefined ? null : decodeURIComponent(slug);
}

function crawlerFor(settings: Settings, signal: AbortSignal, { web, library, gates, clock }: House): Crawler {
  return openCrawler({
    ...{ web, library, gates, clock, signal, robotsTimeoutMs: ROBOTS_TIMEOUT_MS },
    delayMs: settings.link_delay_seconds * 1000,
    cacheMs: settings.link_cache_hours * 3_600_000,
  });
}

/** An own article costs nothing to read again: no checkpoint holds it. */
async function readOwn({ slug }: OwnArticle, { site, clock }: House): Promise<Fetched> {
  const page = await site.page(slug);
  if (!page) throw new Error(`the article "${slug}" was removed while it was being audited`);
  return fetchedFrom(page, clock.now());
}

interface LinksParts {
  crawler: Crawler;
  settings: Settings;
  context: TaskContext;
  house: House;
}

/** What takes time, since it is done politely, is done once. */
async function linksOf(
  facts: PageFacts | null,
  { crawler, settings, context, house }: LinksParts,
): Promise<CheckedLinks> {
  if (!facts) return { checks: [], unchecked: 0 };
  const { clock, library, site } = house;
  const check = () =>
    checkLinks(facts.links, { library, site, crawler, clock, settings, signal: context.signal });
  return facts.links.some(({ internal }) => !internal) ? await context.step("links", check) : await check();
}

/** A model's texts, where there is an own article that wants some, and a model. */
async function suggest(subject: Subject | null, checked: Checked, context: TaskContext, house: House) {
  const wanted = checked.findings.some(({ rule }) => /^(?:title|description|keyword)_/.test(rule));
  const provider = house.providers.gemini ? "gemini" : house.providers.openai ? "openai" : null;
  if (!subject?.article || !wanted || provider === null || !subject.settings.model_suggestions) return null;
  const model = house.models?.[provider] ?? DEFAULT_MODELS[provider];
  const { gateway, signal, log } = context;
  const { article, facts } = subject;
  return await context.step("suggest", () =>
    suggestTexts(article, facts.text, { provider, model, gateway, signal, log }),
  );
}

/** What is well is looked at less often. */
function dueAgainDays(score: number, settings: Settings): number {
  const times = score >= 90 ? 4 : score >= 70 ? 2 : 1;
  return settings.audit_again_days * times;
}

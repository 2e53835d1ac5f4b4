/** The SEO monitor as the server wires it: the workflow, and what it asks for. Holds no code. */
export { DEFAULT_MODELS, type Provider } from "./advice/model.ts";
export { nearestTo } from "./corpus.ts";
export type { Prints } from "./language/prints.ts";
export {
  type Change,
  type Library,
  type LinkTarget,
  type Neighbour,
  type NewAudit,
  type OwnArticle,
  type Recommendation,
  type SavedAudit,
  type ServedPage,
  type SimilarTo,
  type Site,
  type Web,
  type WebAnswer,
  WebFailure,
  type WebFailureKind,
  type WebRequest,
} from "./library.ts";
export type { RobotsFile } from "./links/robots.ts";
export type { LinkCheck, LinkOutcome } from "./links/verdict.ts";
export { type AuditResult, SEO_MONITOR, type SeoMonitorParts, seoMonitor } from "./monitor.ts";

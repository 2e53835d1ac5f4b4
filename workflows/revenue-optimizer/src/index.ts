/** The revenue optimizer as the server wires it: the workflow, the API's desk, and the library they ask for. Holds no code. */
export { type RevenueDesk, revenueDesk } from "./desk.ts";
export type { ExperimentResult } from "./experiments/result.ts";
export type { FunnelReport } from "./funnel.ts";
export type {
  ArticleStanding,
  Library,
  OfferStanding,
  Opportunity,
  TypeStanding,
  WatchedStrategy,
} from "./library.ts";
export {
  REVENUE_OPTIMIZER,
  type RevenueOptimizerParts,
  type RevenueResult,
  revenueOptimizer,
} from "./optimizer.ts";
export { RequestSchema } from "./request.ts";

/** The content pipeline as the server wires it: the workflows, and what they ask of it. Holds no code. */
export { type ForeignArticle, nameForLookUp, type ShownArticle, shownArticle } from "./article/imported.ts";
export type { QualityScore } from "./article/quality-score.ts";
export { DEFAULT_BAR } from "./article/rubric.ts";
export { candidateNames } from "./entities/names.ts";
export { type Decision, type EntityJudge, type ResolvedEntity, resolveEntities } from "./entities/resolve.ts";
export type {
  ArticleSource,
  KnownEntity,
  Library,
  Lookalike,
  NewArticle,
  Publication,
  Published,
  PublisherRow,
} from "./library.ts";
export {
  type ArticleResult,
  CONTENT_PIPELINE,
  type ContentPipelineParts,
  contentPipeline,
} from "./pipeline.ts";
export { CONTENT_PUBLISHER, type ContentPublisherParts, contentPublisher } from "./publisher-workflow.ts";
export { OWN_SITE, type PublishingParts, tryPublisher } from "./publishing/publish.ts";
export type { Outgoing } from "./publishing/publisher.ts";
export type { FetchedPage, FetchPage } from "./sources/read-sources.ts";
export { type Topic, type TopicInput, TopicSchema } from "./topic.ts";
export type { Provider } from "./writing/model.ts";
export { castOf, DEFAULT_MODELS, OUTPUT_TOKENS, SECOND_MODELS, worstCaseUsd } from "./writing/models.ts";

/** The content pipeline as the server wires it: the workflow, and the library that it asks for. Holds no code. */
export type { Decision, EntityJudge, ResolvedEntity } from "./entities/resolve.ts";
export type { ArticleSource, KnownEntity, Library, NewArticle, Published, QualityScore } from "./library.ts";
export {
  type ArticleResult,
  CONTENT_PIPELINE,
  type ContentPipelineParts,
  contentPipeline,
} from "./pipeline.ts";
export { type Topic, type TopicInput, TopicSchema } from "./topic.ts";
export { DEFAULT_MODELS, type Provider } from "./writing/model-writer.ts";

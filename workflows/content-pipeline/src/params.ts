/** Owns what an operator may set for the pipeline: the `params` of its registration, checked, with defaults. Reads nothing else. */
import { z } from "zod";
import { DEFAULT_BAR } from "./article/rubric.ts";
import { OWN_SITE } from "./publishing/publish.ts";
import { CategorySlug } from "./topic.ts";

const ModelName = z
  .string()
  .regex(/^(gemini|openai)\/\S{1,200}$/, "must be gemini/<model> or openai/<model>");
const Share = z.number().min(0).max(1);

const ParamsSchema = z.strictObject({
  /** What an article has to reach to be published without a person. */
  bar: z
    .strictObject({
      score: z.number().min(0).max(100).default(DEFAULT_BAR.score),
      support: Share.default(DEFAULT_BAR.support),
      likeness: Share.default(DEFAULT_BAR.likeness),
    })
    .prefault({}),
  review: z.enum(["below_bar", "always"]).default("below_bar"),
  /** How often an article below the bar is written again before a person sees it. */
  revisions: z.int().min(0).max(1).default(1),
  models: z.strictObject({ writer: ModelName.optional(), judge: ModelName.optional() }).default({}),
  publishers: z
    .array(z.string().regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, "must be the name of a publisher"))
    .min(1)
    .max(10)
    .default([OWN_SITE]),
  /** The category of an article whose topic names none: by its content type; where its names tell of none, the default. */
  categories: z
    .strictObject({
      by_content_type: z.record(z.string(), CategorySlug).default({}),
      default: CategorySlug.optional(),
    })
    .prefault({}),
  /** Whether a published article's SEO audit follows. */
  audit: z.boolean().default(true),
});
export type Params = z.output<typeof ParamsSchema>;

/** Throws with every wrong field named: then nothing is begun, and the tasks wait for their next attempt. */
export function readParams(params: Record<string, unknown>): Params {
  const outcome = ParamsSchema.safeParse(params);
  if (outcome.success) return outcome.data;
  const words = outcome.error.issues.map((issue) => `params.${issue.path.join(".")}: ${issue.message}`);
  throw new Error(
    `the workflow's settings are wrong: ${words.join("; ").replaceAll("params.: ", "params: ")}`,
  );
}

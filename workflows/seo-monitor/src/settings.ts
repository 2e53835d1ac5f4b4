/** Owns what an operator may set: the workflow's `params`. Reads no environment. */
import { TaskRefused } from "@master-orchestrator/sdk";
import { z } from "zod";

const Days = z.number().min(1).max(3650);

export const SettingsSchema = z.strictObject({
  /** Whether addresses outside of the own site are called at all. */
  check_external_links: z.boolean().default(true),
  /** Of one page. */
  max_links: z.int().min(0).max(500).default(50),
  /** Between two requests to one host. */
  link_delay_seconds: z.number().min(0).max(60).default(1),
  link_timeout_seconds: z.number().min(0.1).max(60).default(10),
  /** For all links of one page; the rest is left for the next audit. */
  links_within_seconds: z.number().min(0).max(200).default(45),
  /** Results of link checks and robots.txt files are used again for so long. */
  link_cache_hours: z.number().min(0).max(720).default(24),
  max_redirects: z.int().min(0).max(20).default(5),
  page_timeout_seconds: z.number().min(0.1).max(120).default(20),
  max_page_kb: z.int().min(10).max(20_000).default(5_000),
  /** An article is audited again after so many days, when it scores badly; later when it scores well. */
  audit_again_days: z.number().min(0.04).max(365).default(7),
  /** How old a page may become, by content type. */
  max_age_days: z
    .record(z.string().max(63), Days)
    .default({})
    .transform(
      (own): Record<string, number> => ({ default: 365, how_to: 540, guide: 540, news: 90, ...own }),
    ),
  min_words: z
    .record(z.string().max(63), z.int().min(1).max(20_000))
    .default({})
    .transform((own): Record<string, number> => ({ default: 300, news: 150, ...own })),
  /** Named in structured data where a page names no publisher. */
  publisher: z.string().trim().min(1).max(200).optional(),
  /** Ask a model for titles and descriptions, where a provider has a key. */
  model_suggestions: z.boolean().default(true),
});
export type Settings = z.output<typeof SettingsSchema>;

/** The settings in `params`. Throws TaskRefused that names each wrong one: trying again is of no use. */
export function readSettings(params: Record<string, unknown>): Settings {
  const read = SettingsSchema.safeParse(params);
  if (read.success) return read.data;
  const wrong = read.error.issues.map((issue) => `params/${issue.path.join("/")}: ${issue.message}`);
  throw new TaskRefused(`the params of seo_monitor do not fit: ${wrong.slice(0, 10).join("; ")}`);
}

/** The value for a content type, or else the default. */
export function ofType(values: Record<string, number>, contentType: string): number {
  return values[contentType] ?? values.default!;
}

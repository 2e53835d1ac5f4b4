/** Owns what a topic is: the payload of one `content_pipeline` task, checked and tidied. Never fetches a source. */
import { z } from "zod";

export const MAX_SOURCES = 20;
export const MAX_SOURCE_CHARS = 200_000;

/** As the library knows categories by. */
export const CategorySlug = z
  .string()
  .max(100)
  .regex(/^[a-z0-9]+(-[a-z0-9]+)*$/, "must be the slug of a category, such as energy");
const Keyword = z.string().trim().max(200);

const SourceSchema = z
  .strictObject({
    title: z.string().trim().max(500).optional(),
    text: z.string().max(MAX_SOURCE_CHARS).optional(),
    url: z
      .url({ protocol: /^https?$/, error: "must be an http or https address" })
      .max(2000)
      .optional(),
  })
  .refine((source) => source.text !== undefined || source.url !== undefined, {
    message: "a source needs a text, a url, or both",
  });

/** One task's payload: what to write about, and the only material that may be used for it. */
export const TopicSchema = z.strictObject({
  title: z.string().trim().min(3).max(300),
  brief: z.string().trim().min(1, "must say what the article is about").max(20_000),
  keywords: z
    .array(Keyword)
    .max(50)
    .default([])
    .transform((words) => [...new Set(words.filter((word) => word !== ""))]),
  sources: z.array(SourceSchema).max(MAX_SOURCES).default([]),
  language: z
    .string()
    .regex(/^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$/, "must be a language tag such as en or pt-BR")
    .default("en"),
  author: z.string().trim().min(1).max(200).optional(),
  /** The slug of a category that is there; else one is found by settings and names. */
  category: CategorySlug.optional(),
});

export type TopicInput = z.input<typeof TopicSchema>;
/** `note`: why its address could not be read; set by the pipeline, never by who asks. */
export type Source = z.output<typeof SourceSchema> & { note?: string };
export type Topic = Omit<z.output<typeof TopicSchema>, "sources"> & { sources: Source[] };

/** How a source is named to a reader: its title, else its host, else its number. `index` counts from 0. */
export function sourceName(source: Source, index: number): string {
  if (source.title) return source.title;
  if (source.url) {
    const url = new URL(source.url);
    const path = url.pathname === "/" ? "" : url.pathname;
    const name = `${url.host}${path}`;
    return name.length > 80 ? `${name.slice(0, 79)}…` : name;
  }
  return `Source ${index + 1}`;
}

/** Whether a source's words are there to be written from. */
export function isRead(source: Source): boolean {
  return (source.text ?? "").trim() !== "";
}

/** Whether there is anything to write from besides the brief. */
export function hasSourceText(topic: Topic): boolean {
  return topic.sources.some(isRead);
}

/** Owns how much of a topic's sources is read, the same for every step. Judges no sentence. */
import type { Topic } from "../topic.ts";
import { type Paragraph, paragraphsOf } from "./sentences.ts";

/** Enough for 25,000 words. This runs in the orchestrator's own process, which has other things to do. */
const MAX_CHARS_PER_SOURCE = 40_000;
const MAX_CHARS = 150_000;

/**
 * The paragraphs of each source that has a text, in order: at most 40,000 characters of one source
 * and 150,000 of all. `source` counts from 0.
 */
export function* readSources(topic: Topic): Generator<{ source: number; paragraphs: Paragraph[] }> {
  let left = MAX_CHARS;
  for (const [source, { text }] of topic.sources.entries()) {
    if (!text || left <= 0) continue;
    const share = Math.min(left, MAX_CHARS_PER_SOURCE);
    left -= Math.min(text.length, share);
    yield { source, paragraphs: paragraphsOf(text, topic.language, share) };
  }
}

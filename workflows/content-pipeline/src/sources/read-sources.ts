/** Owns how the sources that a topic names by address become texts, and what is said of those that do not. Fetches through what it is given. */
import { Worker } from "node:worker_threads";
import { isRead, type Source, type Topic } from "../topic.ts";
import { plainText } from "../writing/sentences.ts";
import type { MainText } from "./extract.ts";

/** A page as it was fetched, or why it could not be. */
export type FetchedPage =
  | { kind: "page"; contentType: string; text: string }
  /** `why`: for people, e.g. `HTTP 404`. */
  | { kind: "unread"; why: string };

/** The way out: guarded against private addresses, bounded in size and time, polite (robots.txt). Never rejects but when `signal` aborts. */
export type FetchPage = (url: string, signal: AbortSignal) => Promise<FetchedPage>;

/** What became of one source; kept as a checkpoint, so that every later step sees the same text. */
export interface SourceReading {
  /** Index into the topic's sources. */
  source: number;
  text: string | null;
  title: string | null;
  note: string | null;
}

const AT_ONCE = 4;
const MAX_CHARS = 40_000;
/** Of all pages together: a checkpoint holds a megabyte. */
const MAX_CHARS_OF_ALL = 150_000;
const EXTRACT_WITHIN_MS = 10_000;

/** Reads every source that has an address and no text. Rejects only when `signal` aborts. */
export async function readSourcePages(
  topic: Topic,
  fetchPage: FetchPage | undefined,
  signal: AbortSignal,
): Promise<SourceReading[]> {
  const wanted = [...topic.sources.entries()].filter(([, source]) => source.url && !isRead(source));
  if (!fetchPage || wanted.length === 0) return [];
  const readings: SourceReading[] = [];
  const rest = wanted.values();
  const worker = async () => {
    for (const [source, { url }] of rest)
      readings.push({ source, ...(await readPage(url!, fetchPage, signal)) });
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return withinLimit(readings.sort((a, b) => a.source - b.source));
}

/** The topic with what was read; a source that has a title keeps it. */
export function withReadings(topic: Topic, readings: readonly SourceReading[]): Topic {
  const bySource = new Map(readings.map((reading) => [reading.source, reading]));
  const sources = topic.sources.map((source, i): Source => {
    const reading = bySource.get(i);
    if (!reading) return source;
    const title = source.title ?? reading.title?.slice(0, 500);
    const titled = title ? { ...source, title } : source;
    if (reading.text !== null) return { ...titled, text: reading.text };
    return { ...titled, note: reading.note ?? "it holds no text" };
  });
  return { ...topic, sources };
}

type Reading = Omit<SourceReading, "source">;

async function readPage(url: string, fetchPage: FetchPage, signal: AbortSignal): Promise<Reading> {
  const page = await fetchPage(url, signal);
  signal.throwIfAborted();
  if (page.kind === "unread") return unread(page.why);
  const type = page.contentType.split(";")[0]!.trim().toLowerCase();
  if (type === "text/plain" || type === "text/markdown") {
    const text = page.text.trim().slice(0, MAX_CHARS);
    return text === "" ? unread("it is empty") : { text, title: null, note: null };
  }
  if (type !== "text/html" && type !== "application/xhtml+xml") {
    return unread(`it is ${type === "" ? "of no named type" : type.slice(0, 80)}, not a page of text`);
  }
  const main = await extract(page.text);
  if (main === null) return unread("no text was found in the page");
  const text = plainText(main.html)
    .replace(/\n{3,}/g, "\n\n")
    .trim();
  return { text: text.slice(0, MAX_CHARS), title: main.title, note: null };
}

function unread(note: string): Reading {
  return { text: null, title: null, note };
}

/** Null as well for a page that takes too long: it is given up with its thread. */
async function extract(html: string): Promise<MainText | null> {
  const thread = new Worker(new URL("./extract-thread.ts", import.meta.url), {
    workerData: html,
    resourceLimits: { maxOldGenerationSizeMb: 256 },
    stderr: true,
  });
  const timer = setTimeout(() => void thread.terminate(), EXTRACT_WITHIN_MS);
  try {
    return await new Promise<MainText | null>((resolve) => {
      thread.once("message", resolve);
      thread.once("error", () => resolve(null));
      thread.once("exit", () => resolve(null));
    });
  } finally {
    clearTimeout(timer);
    await thread.terminate();
  }
}

function withinLimit(readings: SourceReading[]): SourceReading[] {
  let left = MAX_CHARS_OF_ALL;
  return readings.map((reading) => {
    if (reading.text === null) return reading;
    if (left <= 0) return { ...reading, text: null, note: "the sources before it are long enough" };
    const text = reading.text.slice(0, left);
    left -= text.length;
    return { ...reading, text };
  });
}

/** Five hundred topics out of the examples' own: paragraphs of several, drawn by a seed. Enqueues none. */
import { readFileSync } from "node:fs";
import { parse } from "csv-parse/sync";

export interface Topic {
  title: string;
  brief: string;
  keywords: string[];
  sources: { title: string; text: string }[];
}

export interface DayTopic {
  contentType: string;
  payload: Topic;
  key: string;
}

type Row = Record<"title" | "content_type" | "brief" | "keywords" | "source_title" | "source_text", string>;

const SOURCES = 2;
const PARAGRAPHS = 3;

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export function chance(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Each is about one example and has its own choice of that one's paragraphs and of another's: no two are the same. */
export function dayTopics(count: number, seed: number): DayTopic[] {
  const rows = parse(readFileSync(new URL("../../examples/topics.csv", import.meta.url)), {
    columns: true,
  }) as Row[];
  const random = chance(seed);
  return Array.from({ length: count }, (_, n) => {
    const row = rows[n % rows.length] as Row;
    const others = rows.filter((other) => other !== row);
    const other = others[Math.floor(random() * others.length)] as Row;
    return {
      contentType: row.content_type,
      key: `day-${seed}-${n}`,
      payload: {
        title: `${row.title}: question ${Math.floor(n / rows.length) + 1}`,
        brief: row.brief,
        keywords: row.keywords.split(";").slice(0, 3),
        sources: [row, other].slice(0, SOURCES).map((from) => ({
          title: from.source_title,
          text: some(from.source_text.split(/\n{2,}/), PARAGRAPHS, random).join("\n\n"),
        })),
      },
    };
  });
}

function some<T>(list: readonly T[], count: number, random: () => number): T[] {
  const left = [...list];
  const taken: T[] = [];
  while (taken.length < count && left.length > 0) {
    taken.push(...left.splice(Math.floor(random() * left.length), 1));
  }
  return taken;
}

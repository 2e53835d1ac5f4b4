/** Owns a site of readers and a house at work, made up from a seed, with known events in it. For tests. */
import { addDays, daysOf, weekdayOf } from "./days.ts";
import { type MemoryLibrary, memoryLibrary } from "./memory-library.ts";
import { seeded, WEEK } from "./statistics/sample-series.ts";

export interface SampleSite {
  today: string;
  days: number;
  /** From this day on Organic Search has this factor. */
  organic?: { from: string; factor: number };
  /** Days of which nothing was imported. */
  missing?: (day: string) => boolean;
  titles?: readonly string[];
}

/** `days` days until before `today`; the same for the same arguments. */
export function sampleSite({
  today,
  days,
  organic,
  missing = () => false,
  titles = TITLES,
}: SampleSite): MemoryLibrary {
  const library = memoryLibrary(today);
  const chance = seeded(20_261_125);
  titles.forEach((title, i) => {
    library.articles.set(`article-${i}`, title);
  });
  for (const [at, day] of daysOf(addDays(today, -days), today).entries()) {
    const season =
      (WEEK[weekdayOf(day)] as number) * (1 + at / (4 * days)) * Math.exp(0.04 * chance.normal());
    addHouse(library, day, chance.next());
    if (missing(day)) continue;
    for (const [channel, size] of CHANNELS) {
      const factor = channel === "Organic Search" && organic && day >= organic.from ? organic.factor : 1;
      titles.forEach((_, i) => {
        const views = chance.poisson((size * season * factor * 2) / (i + 2) / titles.length);
        const conversions = chance.poisson(views * (channel === "Email" ? 0.03 : 0.012));
        library.cells.push({
          ...{ day, channel, article: `article-${i}`, views, visitors: Math.round(views * 0.74) },
          engaged_seconds: views * 48,
        });
        library.cells.push({
          ...{
            day,
            channel,
            article: `article-${i}`,
            offer: i % 2 ? "Starter course" : "Handbook",
            conversion: "sale",
          },
          ...{ conversions, revenue_usd: conversions * (i % 2 ? 39 : 12) },
        });
      });
    }
  }
  return library;
}

const CHANNELS = [
  ["Organic Search", 5200],
  ["Direct", 1500],
  ["Email", 1100],
  ["Social", 700],
] as const;

const TITLES = [
  "How heat pumps keep a house warm",
  "What a battery is worth in winter",
  "Why the grid does not fall over",
  "Insulation: where to begin",
  "Reading an energy bill line by line",
];

function addHouse({ house }: MemoryLibrary, day: string, chance: number): void {
  const articles = 510 + Math.round(40 * chance);
  house.push({
    ...{
      day,
      workflowType: "content_pipeline",
      tasksCompleted: articles,
      tasksFailed: Math.round(8 * chance),
    },
    ...{ latencyP50Seconds: 41, latencyP95Seconds: 88 + 20 * chance, withinTwoMinutes: articles - 6 },
    ...{ costUsd: articles * (0.055 + 0.01 * chance), articles },
  });
}

/** A library in memory, for tests: as strict about what is unknown as the real one, and gone with the process. */
import { randomUUID } from "node:crypto";
import type {
  Coincidence,
  HouseDay,
  Library,
  MemberDay,
  NewInsight,
  NewReport,
  ReaderNumbers,
} from "./library.ts";

/** A row as the roll-ups have it. */
export interface Cell extends Partial<ReaderNumbers> {
  day: string;
  channel?: string;
  article?: string;
  offer?: string;
  conversion?: string;
}

export interface MemoryLibrary extends Library {
  cells: Cell[];
  house: HouseDay[];
  stale: Set<string>;
  articles: Map<string, string>;
  happened: Coincidence[];
  insights: Map<string, NewInsight>;
  /** By task. */
  reports: Map<string, NewReport & { reportId: string }>;
  rolledUp: string[];
  today: string;
}

const NUMBERS = ["views", "visitors", "engaged_seconds", "conversions", "revenue_usd"] as const;

export function memoryLibrary(today: string): MemoryLibrary {
  const memory: MemoryLibrary = {
    ...{ cells: [], house: [], stale: new Set(), articles: new Map(), happened: [], insights: new Map() },
    ...{ reports: new Map(), rolledUp: [], today },
    now: async () => `${memory.today}T06:00:00.000Z`,
    staleDays: async (limit) => [...memory.stale].sort().slice(0, limit),
    rollUpDay: async (day, options) => {
      const marked = memory.stale.delete(day);
      if (marked || options?.anyway) memory.rolledUp.push(day);
      return marked || options?.anyway === true;
    },
    houseCountedUntil: async () => `${memory.today}T05:59:00.000Z`,
    houseLatency: async ({ from, to }) => {
      const [first] = memory.house.filter(({ day }) => day >= from && day < to);
      return { p50Seconds: first?.latencyP50Seconds ?? null, p95Seconds: first?.latencyP95Seconds ?? null };
    },
    analysed: async () => {},
    known: async () => {
      const days = [...memory.cells, ...memory.house].map(({ day }) => day).sort();
      return days.length === 0 ? null : { first: days[0] as string, last: days.at(-1) as string };
    },
    readerDays: async ({ from, to }) =>
      totalsBy(within(memory, from, to), ({ day }) => day).map(([day, sums]) => ({ day, ...sums })),
    memberDays: async ({ from, to, dimension, metric, members }) => {
      const cells = within(memory, from, to);
      const most = totalsBy(cells, (cell) => cell[dimension] ?? "")
        .sort(([, a], [, b]) => b[metric] - a[metric])
        .slice(0, members)
        .map(([member]) => member);
      return most.flatMap((member) =>
        totalsBy(
          cells.filter((cell) => (cell[dimension] ?? "") === member),
          ({ day }) => day,
        ).map(([day, sums]): MemberDay => ({ day, member, ...sums })),
      );
    },
    houseDays: async ({ from, to }) => memory.house.filter(({ day }) => day >= from && day < to),
    contributions: async ({ metric, dimension, before, after, within: subject, limit }) => {
      const [of, member] = [subject?.split(":")[0], subject?.slice(subject.indexOf(":") + 1)];
      const cells = memory.cells.filter(
        (cell) => of === undefined || (cell[of as "channel"] ?? "") === member,
      );
      const meanOf = (name: string, days: readonly string[]) =>
        cells
          .filter((cell) => (cell[dimension] ?? "") === name && days.includes(cell.day))
          .reduce((total, cell) => total + (cell[metric] ?? 0), 0) / Math.max(1, days.length);
      return [...new Set(cells.map((cell) => cell[dimension] ?? ""))]
        .map((name) => ({
          member: name,
          label: dimension === "article" ? (memory.articles.get(name) ?? "") : name,
          before: meanOf(name, before),
          after: meanOf(name, after),
        }))
        .filter((part) => part.before !== 0 || part.after !== 0)
        .sort((a, b) => Math.abs(b.after - b.before) - Math.abs(a.after - a.before))
        .slice(0, limit);
    },
    seriesOf: async ({ from, to, metric, dimension, member }) =>
      totalsBy(
        within(memory, from, to).filter((cell) => (cell[dimension as "channel"] ?? "") === member),
        ({ day }) => day,
      ).map(([day, sums]) => ({ day, value: sums[metric] })),
    titles: async (ids) => new Map([...memory.articles].filter(([id]) => ids.includes(id))),
    coincidences: async ({ from, to }) => memory.happened.filter(({ at }) => at >= from && at < to),
    saveInsights: async (insights, { kinds }) => {
      const keys = new Set(insights.map(({ key }) => key));
      for (const [key, { kind }] of memory.insights)
        if (kinds.includes(kind) && !keys.has(key)) memory.insights.delete(key);
      for (const insight of insights) memory.insights.set(insight.key, insight);
    },
    hasReport: async (kind, from) =>
      [...memory.reports.values()].some((each) => each.kind === kind && each.from === from),
    saveReport: async (report) => {
      const kept = memory.reports.get(report.taskId) ?? { ...report, reportId: randomUUID() };
      memory.reports.set(report.taskId, kept);
      return { reportId: kept.reportId };
    },
  };
  return memory;
}

function within({ cells }: MemoryLibrary, from: string, to: string): Cell[] {
  return cells.filter(({ day }) => day >= from && day < to);
}

function totalsBy(cells: readonly Cell[], name: (cell: Cell) => string): [string, ReaderNumbers][] {
  return [...Map.groupBy(cells, name)]
    .map(([member, rows]): [string, ReaderNumbers] => {
      const sums = NUMBERS.map((metric) => [
        metric,
        rows.reduce((total, row) => total + (row[metric] ?? 0), 0),
      ]);
      return [member, Object.fromEntries(sums) as unknown as ReaderNumbers];
    })
    .sort(([a], [b]) => a.localeCompare(b));
}

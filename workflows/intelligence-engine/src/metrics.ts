/** Owns what is measured by day: names, words, units. Reads nothing. */

/** Of readers, from their events. */
export const READER_METRICS = ["views", "visitors", "engaged_seconds", "conversions", "revenue_usd"] as const;
/** Of the orchestrator's own days. */
export const HOUSE_METRICS = [
  "articles_published",
  "tasks_completed",
  "tasks_failed",
  "latency_p95_seconds",
  "cost_usd",
] as const;
export const METRICS = [...READER_METRICS, ...HOUSE_METRICS] as const;
export type ReaderMetric = (typeof READER_METRICS)[number];
export type Metric = (typeof METRICS)[number];

/** What readers' numbers are told apart by. */
export const DIMENSIONS = ["channel", "article", "offer", "conversion"] as const;
export type Dimension = (typeof DIMENSIONS)[number];

export type Unit = "count" | "usd" | "seconds";

interface About {
  words: string;
  unit: Unit;
  /** Whether more of it is good news. */
  good: "more" | "less";
  /** Its words are in the plural. */
  many: boolean;
  /** Days add up: false for what is a time or a share. */
  adds: boolean;
}

export const ABOUT: Readonly<Record<Metric, About>> = {
  views: { words: "page views", unit: "count", good: "more", many: true, adds: true },
  visitors: { words: "visitors", unit: "count", good: "more", many: true, adds: true },
  engaged_seconds: { words: "engaged time", unit: "seconds", good: "more", many: false, adds: true },
  conversions: { words: "conversions", unit: "count", good: "more", many: true, adds: true },
  revenue_usd: { words: "revenue", unit: "usd", good: "more", many: false, adds: true },
  articles_published: { words: "published articles", unit: "count", good: "more", many: true, adds: true },
  tasks_completed: { words: "completed tasks", unit: "count", good: "more", many: true, adds: true },
  tasks_failed: { words: "failed tasks", unit: "count", good: "less", many: true, adds: true },
  latency_p95_seconds: {
    words: "time from task to result (p95)",
    unit: "seconds",
    good: "less",
    many: false,
    adds: false,
  },
  cost_usd: { words: "cost of production", unit: "usd", good: "less", many: false, adds: true },
};

/** A number as people read it, with its unit. */
export function shown(value: number, unit: Unit): string {
  if (unit === "usd") {
    const digits = Math.abs(value) < 10 && value !== 0 ? 3 : Math.abs(value) < 1000 ? 2 : 0;
    const amount = Math.abs(value).toLocaleString("en-US", {
      minimumFractionDigits: 2 < digits ? 3 : digits,
      maximumFractionDigits: digits,
    });
    return `${value < 0 ? "−" : ""}$${amount}`;
  }
  if (unit === "seconds") return duration(value);
  return value.toLocaleString("en-US", { maximumFractionDigits: Math.abs(value) < 10 ? 1 : 0 });
}

function duration(seconds: number): string {
  if (seconds < 120) return `${seconds.toLocaleString("en-US", { maximumFractionDigits: 1 })} s`;
  if (seconds < 7200) return `${(seconds / 60).toLocaleString("en-US", { maximumFractionDigits: 1 })} min`;
  return `${(seconds / 3600).toLocaleString("en-US", { maximumFractionDigits: 1 })} h`;
}

/** `+12 %`, `−3.4 %`; null without anything to compare with. */
export function shownChange(before: number, after: number): string | null {
  if (before === 0) return null;
  return shownShare((after - before) / Math.abs(before), true);
}

export function shownShare(share: number, signed = false): string {
  const percent = share * 100;
  const digits = Math.abs(percent) < 10 ? 1 : 0;
  const text = Math.abs(percent).toLocaleString("en-US", { maximumFractionDigits: digits });
  const sign = percent < 0 && text !== "0" ? "−" : signed && text !== "0" ? "+" : "";
  // A per cent sign never stands alone on a line.
  return `${sign}${text}\u00a0%`;
}

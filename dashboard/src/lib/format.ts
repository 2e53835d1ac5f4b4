/** Figures and times in words, the same everywhere. */

/** `3 s`, `12 min`, `2.5 h`, `4 d`. */
export function duration(ms: number): string {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 120) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${(seconds / 3600).toFixed(1)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

/** `2 min ago`, `in 5 s`; a dash for no time at all. */
export function relative(time: string | null | undefined, nowMs = Date.now()): string {
  if (!time) return "–";
  const ms = Date.parse(time) - nowMs;
  return ms > 0 ? `in ${duration(ms)}` : `${duration(-ms)} ago`;
}

/** `2026-12-01 09:00:05 UTC`. */
export function exact(time: string): string {
  return `${new Date(time).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

/** `2026-12-01` → `2026-11-30`. */
export function dayBefore(day: string): string {
  return new Date(Date.parse(day) - 86_400_000).toISOString().slice(0, 10);
}

export function usd(amount: number): string {
  const digits = amount !== 0 && Math.abs(amount) < 0.01 ? 6 : 2;
  return amount.toLocaleString("en-US", {
    style: "currency",
    currency: "USD",
    maximumFractionDigits: digits,
  });
}

export function count(value: number): string {
  return value.toLocaleString("en-US");
}

/** `1 task`, `3 tasks`. */
export function counted(value: number, what: string): string {
  return `${count(value)} ${what}${value === 1 ? "" : "s"}`;
}

export function percent(share: number | null): string {
  return share === null ? "–" : `${(share * 100).toFixed(share > 0 && share < 0.1 ? 1 : 0)} %`;
}

/** The words of a closed list: `concurrency_total` → `concurrency total`. */
export function words(name: string): string {
  return name.toLowerCase().replaceAll("_", " ");
}

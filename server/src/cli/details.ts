/** Owns how one thing is shown in detail: fields, statuses, JSON values. Knows no particular thing. */
import type { Screen, Style } from "./screen.ts";
import { plain, plainLines } from "./text.ts";

const STATUS_STYLES: Partial<Record<string, Style>> = {
  completed: "green",
  COMPLETED: "green",
  running: "yellow",
  retrying: "yellow",
  ERROR_RECOVERY: "yellow",
  dead_lettered: "red",
  FAILED: "red",
  cancelled: "dim",
  CANCELLED: "dim",
};

/** A status of a task or an execution in its colour. */
export function paintStatus(screen: Screen, status: string): string {
  const style = STATUS_STYLES[status];
  return style ? screen.paint(style, plain(status)) : plain(status);
}

/** Names and values, one to a line; empty values are left out. */
export function printFields(
  screen: Screen,
  fields: Record<string, string | number | null | undefined>,
): void {
  const given = Object.entries(fields).filter(
    ([, value]) => value !== null && value !== undefined && value !== "",
  );
  const longest = Math.max(...given.map(([name]) => name.length));
  for (const [name, value] of given) screen.line(`${screen.paint("dim", name.padEnd(longest))}  ${value}`);
}

/** A JSON value, indented and safe to print, under its own heading; nothing for null. */
export function printValue(screen: Screen, heading: string, value: unknown): void {
  if (value === null || value === undefined) return;
  const text = typeof value === "string" ? value : JSON.stringify(value, null, 2);
  if (text === "{}" || text === "[]") return;
  screen.line();
  screen.line(screen.paint("bold", heading));
  for (const line of plainLines(text).split("\n")) screen.line(`  ${line}`);
}

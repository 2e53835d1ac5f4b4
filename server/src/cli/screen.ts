/** Owns everything that is written for the reader: results on stdout, remarks on stderr. Never calls the API. */
import { type Column, tableLines } from "./table.ts";
import type { Terminal } from "./terminal.ts";
import { printableJson } from "./text.ts";

const STYLES = { bold: "1", dim: "2", red: "31", green: "32", yellow: "33" } as const;
export type Style = keyof typeof STYLES;

export interface Screen {
  /** One line of the result. The text must be plain already. */
  line(text?: string): void;
  /** A remark that is not the result: progress, advice, what went wrong. */
  remark(text: string): void;
  /** The value as JSON on stdout. */
  json(value: unknown): void;
  /** A table, or `empty` where there is no row. */
  table<Row>(layout: readonly Column<Row>[], rows: readonly Row[], empty: string): void;
  /** Colours a plain text where colours are wanted. */
  paint(style: Style, text: string): string;
}

/** Builds the screen for a terminal; colours only on a terminal, never with NO_COLOR or --no-color. */
export function openScreen(terminal: Terminal, wantsColor: boolean): Screen {
  const { stdout, stderr, env } = terminal;
  const colored = wantsColor && !env.NO_COLOR && env.TERM !== "dumb" && stdout.isTTY === true;
  const columns = stdout.isTTY ? (stdout.columns ?? 80) : null;
  const paint = (style: Style, text: string) => (colored ? `\u001b[${STYLES[style]}m${text}\u001b[0m` : text);
  const line = (text = "") => void stdout.write(`${text}\n`);
  return {
    line,
    paint,
    remark: (text) => void stderr.write(`${text}\n`),
    json: (value) => line(printableJson(value)),
    table(layout, rows, empty) {
      if (rows.length === 0) return line(empty);
      const [header, ...rest] = tableLines(layout, rows, columns);
      line(paint("dim", header!));
      for (const each of rest) line(each);
    },
  };
}

/** Owns the layout of tables: aligned columns that fit the terminal. Never colours, never prints. */
import { fit, plain, width } from "./text.ts";

export interface Column<Row> {
  title: string;
  value: (row: Row) => unknown;
  /** Numbers are aligned to the right. */
  right?: boolean;
  /** May be cut when the terminal is narrow; ids never are, because people copy them. */
  shrinks?: boolean;
}

const GAP = "  ";
const SMALLEST = 6;

/**
 * The lines of a table, its header first. `columns` is the width of the terminal, null where it has none
 * (a pipe): nothing is cut then. Cells come out as plain text, `-` where there is no value.
 */
export function tableLines<Row>(
  layout: readonly Column<Row>[],
  rows: readonly Row[],
  columns: number | null,
): string[] {
  const cells = rows.map((row) => layout.map((column) => plain(column.value(row) ?? "-") || "-"));
  const titles = layout.map((column) => column.title);
  const widths = layout.map((_, i) => Math.max(...[titles, ...cells].map((line) => width(line[i]!))));
  if (columns !== null) shrink(layout, widths, columns);
  return [titles, ...cells].map((line) =>
    line
      .map((cell, i) => pad(fit(cell, widths[i]!), widths[i]!, layout[i]!.right === true))
      .join(GAP)
      .trimEnd(),
  );
}

/** Takes from the widest column that may shrink, one by one, so that the loss is shared. */
function shrink<Row>(layout: readonly Column<Row>[], widths: number[], columns: number): void {
  const total = () => widths.reduce((sum, each) => sum + each, 0) + GAP.length * (widths.length - 1);
  while (total() > columns) {
    let widest = -1;
    for (const [i, column] of layout.entries()) {
      if (column.shrinks && widths[i]! > SMALLEST && (widest === -1 || widths[i]! > widths[widest]!))
        widest = i;
    }
    if (widest === -1) return;
    widths[widest]!--;
  }
}

function pad(text: string, columns: number, right: boolean): string {
  const blanks = " ".repeat(Math.max(0, columns - width(text)));
  return right ? blanks + text : text + blanks;
}

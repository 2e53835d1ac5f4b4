/** Owns reading CSV as records that know their lines, and reading on after a broken one. Never knows what a task is. */
import { parse } from "csv-parse/sync";
import { Failure } from "./failure.ts";
import type { Line } from "./input.ts";

/** A record of the file as column → text, or what is wrong with it. `line` is where it starts. */
export type CsvRecord = { line: number; row: Record<string, string> } | { line: number; problem: string };

export interface Csv {
  columns: string[];
  /** The line after which the records begin. */
  headerLine: number;
  records: AsyncGenerator<CsvRecord>;
}

/** A quote that is never closed swallows at most this much before it is given up. */
const MAX_RECORD_CHARS = 4 * 1024 * 1024;
const DELIMITERS = [",", ";", "\t"] as const;

/** Some of the file's lines, taken together because quotes hold them together. */
interface Gathered {
  first: number;
  lines: Line[];
  closed: boolean;
}

/** Reads the header. Throws a Failure where there is none that can be used; a bad record never throws. */
export async function openCsv(
  lines: AsyncGenerator<Line>,
  nameColumn: (title: string) => string,
): Promise<Csv> {
  const feed = new LineFeed(lines);
  let delimiter: string | null = null;
  let header = await gatherFilled(feed);
  // Excel writes, and wants, this line before the header where the delimiter is not the country's own.
  const declared = /^"?sep=(.)"?$/i.exec(header?.lines[0]?.text ?? "");
  if (declared) {
    delimiter = declared[1]!;
    header = await gatherFilled(feed);
  }
  if (header === null) throw new Failure("the file is empty", "its first line has to name the columns");
  const text = textOf(header);
  delimiter ??= guessDelimiter(text);
  const split = splitRecord(header, text, delimiter);
  if ("problem" in split) throw new Failure(`the header (line ${header.first}) is broken: ${split.problem}`);
  const columns = split.fields.map((title) => nameColumn(title.trim()));
  const twice = columns.find((column, i) => column !== "" && columns.indexOf(column) !== i);
  if (twice !== undefined)
    throw new Failure(`the header (line ${header.first}) names the column "${twice}" twice`);
  return { columns, headerLine: header.first, records: readRecords(feed, columns, delimiter) };
}

async function* readRecords(feed: LineFeed, columns: string[], delimiter: string): AsyncGenerator<CsvRecord> {
  for (let next = await gatherFilled(feed); next !== null; next = await gatherFilled(feed)) {
    const line = next.first;
    const lastLine = next.lines.at(-1)!.number;
    const split = splitRecord(next, textOf(next), delimiter);
    if ("problem" in split) {
      // The quotes are broken, so nobody knows where the record ends: only its first line is given up.
      if (split.resync) feed.unread(next.lines.slice(1));
      yield { line, problem: split.problem };
      continue;
    }
    const { fields } = split;
    if (fields.every((field) => field.trim() === "")) continue;
    const problem = shapeProblem(fields, columns);
    if (problem === null) yield { line, row: rowOf(fields, columns) };
    // A missing quote can make one record of many lines: all of them are named, so that none is lost unseen.
    else
      yield {
        line,
        problem: lastLine > line ? `${problem} (the record goes on to line ${lastLine})` : problem,
      };
  }
}

/** Holds lines that were read too far. */
class LineFeed {
  readonly #lines: AsyncGenerator<Line>;
  readonly #again: Line[] = [];

  constructor(lines: AsyncGenerator<Line>) {
    this.#lines = lines;
  }

  async next(): Promise<Line | null> {
    const known = this.#again.pop();
    if (known) return known;
    const { value, done } = await this.#lines.next();
    return done ? null : value;
  }

  unread(lines: Line[]): void {
    for (let i = lines.length - 1; i >= 0; i--) this.#again.push(lines[i]!);
  }
}

/** The next record's lines, blank lines passed over. While its quotes are odd, a field is still open. */
async function gatherFilled(feed: LineFeed): Promise<Gathered | null> {
  let line = await feed.next();
  while (line !== null && line.problem === null && line.text.trim() === "") line = await feed.next();
  if (line === null) return null;
  const gathered: Gathered = { first: line.number, lines: [line], closed: !hasOddQuotes(line.text) };
  let chars = line.text.length;
  while (!gathered.closed && chars <= MAX_RECORD_CHARS) {
    const more = await feed.next();
    if (more === null) break;
    gathered.lines.push(more);
    chars += more.text.length;
    gathered.closed = hasOddQuotes(more.text);
  }
  return gathered;
}

function hasOddQuotes(text: string): boolean {
  let odd = false;
  for (let at = text.indexOf('"'); at !== -1; at = text.indexOf('"', at + 1)) odd = !odd;
  return odd;
}

function textOf(gathered: Gathered): string {
  return gathered.lines.length === 1
    ? gathered.lines[0]!.text
    : gathered.lines.map((line) => line.text).join("\n");
}

type Split = { fields: string[] } | { problem: string; resync: boolean };

function splitRecord(gathered: Gathered, text: string, delimiter: string): Split {
  const broken = gathered.lines.find((line) => line.problem !== null);
  if (broken) {
    const where = broken.number === gathered.first ? "" : ` (line ${broken.number})`;
    return { problem: `${broken.problem}${where}`, resync: !gathered.closed };
  }
  if (!gathered.closed) return { problem: "a quote is opened and never closed", resync: true };
  if (!text.includes('"')) return { fields: text.split(delimiter) };
  try {
    const options = { delimiter, record_delimiter: "\n", max_record_size: 0 } as const;
    const [fields] = parse(text, options) as string[][];
    return { fields: fields ?? [] };
  } catch (error) {
    return { problem: quoteProblem(error as { code?: string; message: string }), resync: true };
  }
}

/** csv-parse counts lines within the one record it was given; its words for the reader would mislead. */
function quoteProblem(error: { code?: string; message: string }): string {
  if (error.code === "CSV_INVALID_CLOSING_QUOTE") {
    return 'text follows a closing quote; write a quote inside of a quoted field as ""';
  }
  if (error.code === "INVALID_OPENING_QUOTE") {
    return 'a quote stands inside of an unquoted field; put the field in quotes and write the quote as ""';
  }
  return error.message;
}

function shapeProblem(fields: string[], columns: string[]): string | null {
  if (fields.length < columns.length) {
    return `${fields.length} of ${columns.length} columns; a delimiter or a quote is missing`;
  }
  if (fields.slice(columns.length).some((field) => field.trim() !== "")) {
    return `${fields.length} columns where the header has ${columns.length}; put a field that holds the delimiter in quotes`;
  }
  const unnamed = columns.findIndex((column, i) => column === "" && fields[i]!.trim() !== "");
  return unnamed === -1 ? null : `column ${unnamed + 1} has a value and no name in the header`;
}

function rowOf(fields: string[], columns: string[]): Record<string, string> {
  const row: Record<string, string> = {};
  for (const [i, column] of columns.entries()) if (column !== "") row[column] = fields[i]!;
  return row;
}

/** The delimiter that stands most often outside of quotes in the header. */
function guessDelimiter(header: string): string {
  const bare = header.replace(/"[^"]*"/g, "");
  const counts = DELIMITERS.map((delimiter) => bare.split(delimiter).length);
  return DELIMITERS[counts.indexOf(Math.max(...counts))]!;
}

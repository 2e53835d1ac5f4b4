/** Owns files of categories, entities and articles on their way into the library, and which of their lines are none. Sanitises nothing. */
import {
  CATALOG,
  type CatalogAnswer,
  type CatalogKind,
  fieldProblems,
  MAX_ARTICLES_PER_IMPORT,
  MAX_ROWS_PER_IMPORT,
} from "@master-orchestrator/contract";
import { openCsv } from "./csv.ts";
import { type Input, readLines } from "./input.ts";
import { readJson, readNdjson } from "./json-input.ts";

/** What became of the lines of a file. */
export interface CatalogSums {
  added: number;
  replaced: number;
  unchanged: number;
}

export interface CatalogImport {
  kind: CatalogKind;
  source: string;
  input: Input;
  /** Sends one request. */
  post(body: unknown): Promise<CatalogAnswer>;
  /** A line that was left out, or of which something was. */
  complain(place: string, problem: string): void;
  remark(place: string, text: string): void;
}

type Row = Record<string, unknown>;
type Entry = { place: string } & ({ row: Row } | { problem: string });

/** Columns that hold several values, parted by semicolons. */
const LISTS = ["aliases", "keywords", "entities"];
/** What others call a field, folded. */
const TITLES: Readonly<Record<string, string>> = {
  body: "html",
  content: "html",
  body_html: "html",
  excerpt: "summary",
  description_html: "summary",
  post_title: "title",
  published: "published_at",
  date: "published_at",
  url: "canonical_url",
  link: "canonical_url",
  tags: "keywords",
};
/** Below what one request may have, other fields and their quotation included. */
const MAX_REQUEST_CHARS = 700_000;

/** Sends what is good in requests that are small enough; complains of the rest by line. */
export async function importCatalog(work: CatalogImport): Promise<CatalogSums> {
  const { kind, source, post, complain, remark } = work;
  const most = kind === "articles" ? MAX_ARTICLES_PER_IMPORT : MAX_ROWS_PER_IMPORT;
  const sums: CatalogSums = { added: 0, replaced: 0, unchanged: 0 };
  let batch: { place: string; row: Row }[] = [];
  let chars = 0;
  const send = async () => {
    if (batch.length === 0) return;
    const rows = batch.map(({ row }) => row);
    const answer = await post({ ...(kind === "articles" ? { source } : {}), [kind]: rows });
    for (const part of ["added", "replaced", "unchanged"] as const) sums[part] += answer[part];
    for (const { index, message } of answer.refused) complain(batch[index]!.place, message);
    for (const { index, message } of answer.remarks) remark(batch[index]!.place, message);
    batch = [];
    chars = 0;
  };
  for await (const entry of entries(work)) {
    if ("problem" in entry) {
      complain(entry.place, entry.problem);
      continue;
    }
    const problems = fieldProblems(CATALOG[kind], entry.row);
    if (problems.length > 0) {
      const words = problems.map(({ path, message }) => `${path.slice(1) || "row"}: ${message}`);
      complain(entry.place, words.join("; "));
      continue;
    }
    const length = JSON.stringify(entry.row).length;
    if (batch.length === most || chars + length > MAX_REQUEST_CHARS) await send();
    batch.push(entry);
    chars += length;
  }
  await send();
  return sums;
}

async function* entries({ kind, input }: CatalogImport): AsyncGenerator<Entry> {
  if (input.format === "csv") {
    const csv = await openCsv(readLines(input), (title) => fieldOf(kind, title));
    for await (const record of csv.records) {
      const place = `line ${record.line}`;
      yield "problem" in record ? { place, problem: record.problem } : { place, row: rowOf(record.row) };
    }
    return;
  }
  const values = input.format === "json" ? readJson(input) : readNdjson(readLines(input));
  for await (const entry of values) {
    const row = "index" in entry ? `, row ${(entry.index ?? 0) + 1}` : "";
    const place = `line ${entry.line}${row}`;
    if ("problem" in entry) yield { place, problem: entry.problem };
    else if (typeof entry.value !== "object" || entry.value === null || Array.isArray(entry.value))
      yield { place, problem: "is no object" };
    else yield { place, row: entry.value as Row };
  }
}

function fieldOf(kind: CatalogKind, title: string): string {
  const folded = title
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, "_")
    .replace(/^_+|_+$/g, "");
  if (kind === "articles") return TITLES[folded] ?? folded;
  return folded;
}

/** Empty cells are left out. */
function rowOf(given: Record<string, string>): Row {
  const row: Row = {};
  for (const [field, text] of Object.entries(given)) {
    const value = text.trim();
    if (value === "") continue;
    row[field] = LISTS.includes(field)
      ? value
          .split(";")
          .map((each) => each.trim())
          .filter((each) => each !== "")
      : value;
  }
  return row;
}

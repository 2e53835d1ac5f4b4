/** Owns `orchestrator import …`: files of analytics and shops into the content schema. Never analyses them. */
import {
  CATALOG,
  type CatalogAnswer,
  type CatalogKind,
  IMPORTS,
  type ImportAnswer,
  type ImportKind,
  MAX_ROWS_PER_IMPORT,
} from "@master-orchestrator/contract";
import type { Command } from "commander";
import { openCsv } from "./csv.ts";
import { Failure, oneOf, Refusal } from "./failure.ts";
import { importCatalog } from "./import-catalog.ts";
import { type ImportRow, mapColumns, numbersOf, type Reading, readRow, readValue } from "./import-columns.ts";
import { type Input, type Line, openInput, readLines } from "./input.ts";
import { readJson, readNdjson } from "./json-input.ts";
import { type Options, type Session, type Shell, withAction } from "./session.ts";
import { counted, plain } from "./text.ts";

const KINDS = [...Object.keys(IMPORTS), ...Object.keys(CATALOG)] as (ImportKind | CatalogKind)[];
/** Bad lines that are named one by one; the rest is counted. */
const NAMED_PROBLEMS = 50;

/** Registers the command. */
export function addImport(program: Command, shell: Shell): void {
  withAction(
    program
      .command("import")
      .description(
        "import what readers did and what it earned, or categories, entities and articles, from CSV, JSON or NDJSON",
      )
      .argument("<kind>", KINDS.join(", "))
      .argument("<file>", "the file, or - for standard input")
      .option("--source <name>", "where the rows come from; ids of different sources never meet", "file")
      .option(
        "--map <field=column>",
        "which column is which field, where its title does not say so",
        collect,
        [],
      )
      .option("--by <column>", "a further column that tells rows apart (device, country …)", collect, [])
      .option("--format <format>", "csv, json or ndjson (default: by the file's ending or its first bytes)"),
    shell,
    importFile,
  );
}

function collect(value: string, before: string[]): string[] {
  return [...before, value];
}

type Entry = { place: string } & Reading;

async function importFile(session: Session, [word, file]: string[], options: Options): Promise<number> {
  const { terminal } = session;
  const kind = oneOf("kind of import", KINDS as [ImportKind, ...(ImportKind | CatalogKind)[]], word!);
  const input = await openInput(file!, options.format as string | undefined, terminal);
  if (kind in CATALOG) return await catalogFile(session, kind as CatalogKind, { input, options });
  return await readershipFile(session, kind as ImportKind, { input, options });
}

interface File {
  input: Input;
  options: Options;
}

/** Names bad lines up to a number, and counts the others. */
function complaints({ screen }: Session) {
  let bad = 0;
  return {
    count: () => bad,
    complain(place: string, problem: string) {
      bad += 1;
      if (bad <= NAMED_PROBLEMS) screen.remark(plain(`${place}: ${problem}`));
      else if (bad === NAMED_PROBLEMS + 1) screen.remark("further bad lines are only counted");
    },
  };
}

function showSums(session: Session, sums: ImportAnswer, bad: number): number {
  session.show({ ...sums, bad_lines: bad }, () => {
    const added = sums.added.toLocaleString("en-US");
    session.screen.line(
      `${added} added, ${sums.replaced} replaced, ${sums.unchanged} unchanged, ${counted(bad, "bad line")}`,
    );
  });
  return bad === 0 ? 0 : 1;
}

async function catalogFile(session: Session, kind: CatalogKind, { input, options }: File): Promise<number> {
  if ((options.map as string[]).length + (options.by as string[]).length > 0)
    throw new Failure(
      "--map and --by are for events, conversions and revenue",
      "name the columns as the API does",
    );
  const { count, complain } = complaints(session);
  const sums = await importCatalog({
    ...{ kind, input, complain, source: options.source as string },
    post: (body) => post<CatalogAnswer>(session, kind, body),
    remark: (place, text) => session.screen.remark(plain(`${place}: ${text}`)),
  });
  return showSums(session, sums, count());
}

async function readershipFile(session: Session, kind: ImportKind, { input, options }: File): Promise<number> {
  const { screen } = session;
  const sums: ImportAnswer = { added: 0, replaced: 0, unchanged: 0 };
  const told = new Map<string, { place: string; numbers: string }>();
  const { count, complain } = complaints(session);
  let batch: ImportRow[] = [];
  const send = async () => {
    if (batch.length === 0) return;
    const answer = await post<ImportAnswer>(session, kind, { source: options.source, [kind]: batch });
    for (const part of ["added", "replaced", "unchanged"] as const) sums[part] += answer[part];
    batch = [];
  };
  for await (const entry of readEntries(input, kind, options)) {
    if ("total" in entry) screen.remark(`${entry.place}: no date and no page, taken for a total`);
    else if ("problem" in entry) complain(entry.place, entry.problem);
    else {
      const numbers = numbersOf(entry.row);
      const same = told.get(entry.row.id);
      if (same !== undefined && same.numbers !== numbers) {
        complain(
          entry.place,
          `only its numbers differ from ${same.place}; name what tells them apart with --by COLUMN`,
        );
        continue;
      }
      if (same !== undefined) continue;
      told.set(entry.row.id, { place: entry.place, numbers });
      batch.push(entry.row);
      if (batch.length === MAX_ROWS_PER_IMPORT) await send();
    }
  }
  await send();
  return showSums(session, sums, count());
}

/** What went in before stays in: the same file again continues where it broke off, since rows replace themselves. */
async function post<T>(session: Session, kind: string, body: unknown): Promise<T> {
  try {
    return await session.api<T>("POST", `/api/v1/content/${kind}`, { body });
  } catch (error) {
    if (error instanceof Refusal) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new Failure(
      `the import broke off: ${reason}`,
      "run the same command again: nothing is counted twice",
    );
  }
}

async function* readEntries(input: Input, kind: ImportKind, options: Options): AsyncGenerator<Entry> {
  const map = options.map as string[];
  const by = options.by as string[];
  if (input.format === "csv") {
    const csv = await openCsv(withoutRemarks(readLines(input)), (title) => title);
    const mapping = mapColumns(kind, csv.columns, { map, by });
    for await (const record of csv.records) {
      const place = `line ${record.line}`;
      yield "problem" in record
        ? { place, problem: record.problem }
        : { place, ...readRow(record.row, mapping) };
    }
    return;
  }
  if (map.length + by.length > 0)
    throw new Failure("--map and --by are for CSV", "JSON has the API's own names");
  for await (const entry of input.format === "json" ? readJson(input) : readNdjson(readLines(input))) {
    const place =
      "index" in entry ? `line ${entry.line}, row ${(entry.index ?? 0) + 1}` : `line ${entry.line}`;
    yield "problem" in entry ? { place, problem: entry.problem } : { place, ...readValue(entry.value, kind) };
  }
}

/** Google Analytics writes lines that begin with # before the header. */
async function* withoutRemarks(lines: AsyncGenerator<Line>): AsyncGenerator<Line> {
  let inTable = false;
  for await (const line of lines) {
    if (!inTable && (line.text.startsWith("#") || line.text.trim() === "")) continue;
    inTable = true;
    yield line;
  }
}

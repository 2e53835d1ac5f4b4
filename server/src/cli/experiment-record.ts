/** Owns `orchestrator experiments record`: exposures and outcomes out of a file. Never analyses them. */
import {
  ExperimentOutcome,
  Exposure,
  fieldProblems,
  MAX_UNITS_PER_REQUEST,
  type RecordedAnswer,
} from "@master-orchestrator/contract";
import type { z } from "zod";
import { path } from "./api.ts";
import { openCsv } from "./csv.ts";
import { type Input, openInput, readLines } from "./input.ts";
import { readJson, readNdjson } from "./json-input.ts";
import type { Options, Session } from "./session.ts";
import { counted, plain } from "./text.ts";

const KINDS = { exposures: Exposure, outcomes: ExperimentOutcome } as const;
type Kind = keyof typeof KINDS;
/** Bad lines that are named one by one; the rest is counted. */
const NAMED_PROBLEMS = 50;

/** A row with a `variant` is an exposure, any other an outcome. The same file again adds nothing. */
export async function recordFile(session: Session, [key, file]: string[], options: Options): Promise<number> {
  const { screen, terminal } = session;
  const input = await openInput(file!, options.format as string | undefined, terminal);
  const waiting: Record<Kind, unknown[]> = { exposures: [], outcomes: [] };
  const sums: Record<Kind, number> = { exposures: 0, outcomes: 0 };
  let bad = 0;
  const complain = (place: string, problem: string) => {
    bad += 1;
    if (bad <= NAMED_PROBLEMS) screen.remark(plain(`${place}: ${problem}`));
    else if (bad === NAMED_PROBLEMS + 1) screen.remark("further bad lines are only counted");
  };
  const send = async (kind: Kind) => {
    if (waiting[kind].length === 0) return;
    const url = `${path`/api/v1/content/experiments/${key!}`}/${kind}`;
    const body = { [kind]: waiting[kind] };
    sums[kind] += (await session.api<z.infer<typeof RecordedAnswer>>("POST", url, { body })).added;
    waiting[kind] = [];
  };
  for await (const { place, problem, row } of readRows(input)) {
    const kind = row !== null && "variant" in row ? "exposures" : "outcomes";
    const [wrong] = problem === null ? fieldProblems(KINDS[kind], row) : [];
    if (problem !== null || wrong) {
      complain(place, problem ?? `${wrong?.path.slice(1) || "the row"} ${wrong?.message}`);
      continue;
    }
    waiting[kind].push(row);
    if (waiting[kind].length === MAX_UNITS_PER_REQUEST) await send(kind);
  }
  await send("exposures");
  await send("outcomes");
  session.show({ ...sums, bad_lines: bad }, () => {
    const added = `${counted(sums.exposures, "exposure")} and ${counted(sums.outcomes, "outcome")} added`;
    screen.line(`${added}, ${counted(bad, "bad line")}`);
  });
  return bad === 0 ? 0 : 1;
}

type Row = { place: string } & (
  | { problem: string; row: null }
  | { problem: null; row: Record<string, unknown> }
);

async function* readRows(input: Input): AsyncGenerator<Row> {
  if (input.format === "csv") {
    const csv = await openCsv(readLines(input), (title) => title.trim().toLowerCase().replaceAll(" ", "_"));
    for await (const record of csv.records) {
      const place = `line ${record.line}`;
      if ("problem" in record) yield { place, problem: record.problem, row: null };
      else yield { place, problem: null, row: valuesOf(record.row) };
    }
    return;
  }
  for await (const entry of input.format === "json" ? readJson(input) : readNdjson(readLines(input))) {
    const place = "index" in entry ? `row ${(entry.index ?? 0) + 1}` : `line ${entry.line}`;
    if ("problem" in entry) yield { place, problem: entry.problem, row: null };
    else if (typeof entry.value !== "object" || entry.value === null || Array.isArray(entry.value))
      yield { place, problem: "is no object", row: null };
    else yield { place, problem: null, row: entry.value as Record<string, unknown> };
  }
}

/** Empty cells are absent; an amount is a number. */
function valuesOf(row: Record<string, string>): Record<string, unknown> {
  const given = Object.entries(row).filter(([, text]) => text.trim() !== "");
  return Object.fromEntries(
    given.map(([name, text]) => [name, name === "amount_usd" && text.trim() !== "" ? Number(text) : text]),
  );
}

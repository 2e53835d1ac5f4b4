/** Owns `orchestrator archive …`: archived days, and rows out of their files. Never reads a file itself: they are on the server. */
import {
  ARCHIVE_TYPES,
  type Archive,
  type ArchiveRowList,
  type ArchiveRunAnswer,
  type ArchiveVerification,
} from "@master-orchestrator/contract";
import type { Command } from "commander";
import type { z } from "zod";
import { path } from "./api.ts";
import { EXIT, oneOf, UsageError } from "./failure.ts";
import { addGroup, addListing, fetchList, showList, timeRange, withPaging } from "./list.ts";
import { type Options, type Session, type Shell, wholeNumber, withAction } from "./session.ts";
import { ago, counted, plain } from "./text.ts";

type FoundRow = z.infer<typeof ArchiveRowList>["rows"][number];
type Days = Record<"day" | "from_day" | "to_day", string | undefined>;

/** Registers the group. */
export function addArchive(program: Command, shell: Shell): void {
  const group = addGroup(
    program,
    "archive",
    "the history that lies in files: list, run, query, verify, restore",
  );
  withDays(withPaging(addListing(group, shell, "list archived days, the latest first", list)));
  const runCommand = group
    .command("run")
    .description("archive now what is old enough (it runs once a day by itself)")
    .option("--day <day>", "this day alone, even if it is kept because it was restored");
  withAction(runCommand, shell, run);
  const queryCommand = group
    .command("query")
    .description("find rows in archived files, without restoring them")
    .option("--type <type>", ARCHIVE_TYPES.join(", "), "tasks")
    .option("--id <id>", "of the task or the execution that a row is, or belongs to")
    .option("--status <status>", "a status (transitions: the one that it leads to)")
    .option("--from <time>", "from this time on (2026-12-01T09:00:00Z, 2026-12-01, 2h, 60d)")
    .option("--to <time>", "before this time");
  withAction(withDays(withPaging(queryCommand)), shell, query);
  withAction(
    withDays(
      group
        .command("verify")
        .description("read the files and compare them with what was written; exit 1 if one differs"),
    ),
    shell,
    verify,
  );
  const restoreCommand = group
    .command("restore")
    .description("put a day's rows back into the database, exactly as they were")
    .argument("<day>", "as in 2026-03-02")
    .option("--keep <days>", "days for which they are not archived again", "7");
  withAction(restoreCommand, shell, restore);
}

function withDays(command: Command): Command {
  return command
    .option("--day <day>", "a day of the archive: on which the work ended, in UTC")
    .option("--from-day <day>", "that day and later ones")
    .option("--to-day <day>", "that day and earlier ones");
}

function daysOf({ day, fromDay, toDay }: Options): Days {
  const check = (name: string, value: unknown) =>
    value === undefined ? undefined : dayOption(name, String(value));
  return {
    day: check("--day", day),
    from_day: check("--from-day", fromDay),
    to_day: check("--to-day", toDay),
  };
}

function dayOption(name: string, text: string): string {
  if (/^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(Date.parse(text))) return text;
  throw new UsageError(`${name} is no day: "${text}"`, "write 2026-12-01");
}

async function list(session: Session, _args: string[], options: Options): Promise<undefined> {
  const archives = await fetchList<Archive>(
    session,
    "/api/v1/archives",
    "archives",
    daysOf(options),
    options,
  );
  const now = session.terminal.now();
  showList(
    session,
    archives,
    [
      { title: "DAY", value: (each: Archive) => each.day },
      { title: "ARCHIVE", value: (each: Archive) => each.archive_id },
      { title: "STATE", value: (each: Archive) => stateOf(each) },
      { title: "TASKS", value: (each: Archive) => rowsOf(each, "tasks"), right: true },
      { title: "EXECUTIONS", value: (each: Archive) => rowsOf(each, "executions"), right: true },
      { title: "ROWS", value: (each: Archive) => each.rows, right: true },
      { title: "BYTES", value: (each: Archive) => each.bytes, right: true },
      { title: "ARCHIVED", value: (each: Archive) => ago(each.archived_at, now) },
    ],
    "nothing is archived",
  );
}

function stateOf({ state, available }: Archive): string {
  return available ? state : `${state}, elsewhere`;
}

function rowsOf({ files }: Archive, type: string): number {
  return files.filter((file) => file.type === type).reduce((sum, { rows }) => sum + rows, 0);
}

async function run(session: Session, _args: string[], { day }: Options): Promise<undefined> {
  const body = day === undefined ? {} : { day: dayOption("--day", String(day)) };
  const archives: Archive[] = [];
  for (;;) {
    const answer = await session.api<z.infer<typeof ArchiveRunAnswer>>("POST", "/api/v1/archives/run", {
      body,
    });
    archives.push(...answer.archives);
    if (answer.done) break;
    session.screen.remark(`${counted(archives.length, "part")} so far`);
  }
  session.show({ archives, done: true }, () => {
    for (const { day: of, rows, bytes } of archives)
      session.screen.line(`${plain(of)}: ${counted(rows, "row")}, ${bytes} bytes`);
    if (archives.length === 0) session.screen.line("nothing is old enough");
  });
}

async function query(session: Session, _args: string[], options: Options): Promise<undefined> {
  const wanted = wholeNumber("--limit", String(options.limit), 1, 1_000_000);
  const filter = {
    ...daysOf(options),
    ...timeRange(options, session.terminal.now()),
    type: oneOf("type", ARCHIVE_TYPES, String(options.type)),
    id: options.id as string | undefined,
    status: options.status as string | undefined,
  };
  let found = 0;
  let cursor = options.cursor as string | undefined;
  // Printed as they come: a month of rows need not fit into memory.
  session.answered = true;
  do {
    const page = await session.api<z.infer<typeof ArchiveRowList>>("GET", "/api/v1/archives/rows", {
      query: { ...filter, limit: Math.min(500, wanted - found), cursor },
    });
    for (const row of page.rows) session.screen.line(lineOf(row, session.json));
    found += page.rows.length;
    cursor = page.next_cursor ?? undefined;
  } while (cursor !== undefined && found < wanted);
  if (found === 0) session.screen.remark("no such rows");
  if (cursor !== undefined)
    session.screen.remark(`there may be more: --cursor ${cursor}, or a larger --limit`);
}

/** JSON lines for programs: `jq` reads them as they come. */
function lineOf(found: FoundRow, json: boolean): string {
  return json ? JSON.stringify(found) : plain(`${found.day}  ${found.type}  ${JSON.stringify(found.row)}`);
}

/** Every part of the days that were asked for. */
async function partsOf(session: Session, days: Days): Promise<Archive[]> {
  const all = { limit: "1000000" };
  return (await fetchList<Archive>(session, "/api/v1/archives", "archives", days, all)).rows;
}

async function verify(session: Session, _args: string[], options: Options): Promise<number> {
  const verdicts: z.infer<typeof ArchiveVerification>[] = [];
  const lines: string[] = [];
  for (const { archive_id: id, day, rows } of await partsOf(session, daysOf(options))) {
    const verdict = await session.api<z.infer<typeof ArchiveVerification>>(
      "POST",
      path`/api/v1/archives/${id}/verify`,
    );
    verdicts.push(verdict);
    lines.push(plain(`${verdict.ok ? "✓" : "✗"} ${day}  ${id}  ${counted(rows, "row")}`));
    for (const { name, problem } of verdict.files)
      if (problem !== null) lines.push(plain(`    ${name} ${problem}`));
  }
  const damaged = verdicts.filter(({ ok }) => !ok).length;
  session.show({ verifications: verdicts, damaged }, () => {
    for (const line of lines) session.screen.line(line);
    session.screen.line(`${counted(verdicts.length, "archive")} verified, ${damaged} damaged`);
  });
  return damaged === 0 ? EXIT.done : EXIT.failed;
}

async function restore(session: Session, [day]: string[], { keep }: Options): Promise<number> {
  const days = { day: dayOption("the day", String(day)), from_day: undefined, to_day: undefined };
  const body = { keep_days: wholeNumber("--keep", String(keep), 0, 3650) };
  const restored: Archive[] = [];
  for (const { archive_id: id } of await partsOf(session, days)) {
    restored.push(await session.api<Archive>("POST", path`/api/v1/archives/${id}/restore`, { body }));
  }
  session.show({ archives: restored }, () => {
    for (const { archive_id: id, rows, keep_until: until } of restored) {
      session.screen.line(plain(`${id}: ${counted(rows, "row")} are back, kept until ${until}`));
    }
    if (restored.length === 0) session.screen.line(`nothing is archived of ${plain(day)}`);
  });
  return restored.length === 0 ? EXIT.failed : EXIT.done;
}

/** Owns what all listings have in common: groups with a default listing, filters, pages. Knows no particular list. */
import { didYouMean } from "@master-orchestrator/contract";
import type { Command } from "commander";
import { UsageError } from "./failure.ts";
import {
  type Action,
  type Options,
  type Session,
  type Shell,
  timeOption,
  wholeNumber,
  withAction,
  withGlobalOptions,
} from "./session.ts";
import type { Column } from "./table.ts";

/** The most that one request may ask for. */
const PAGE = 500;

/** A group of commands (`tasks …`); its name alone means its listing. */
export function addGroup(program: Command, name: string, description: string): Command {
  return withGlobalOptions(program.command(name).description(description));
}

/** Adds the listing of a group: `tasks`, `tasks list`, `tasks --status queued`. */
export function addListing(group: Command, shell: Shell, description: string, action: Action): Command {
  const command = group
    .command("list", { isDefault: true })
    .description(description)
    .allowExcessArguments(true);
  return withAction(command, shell, async (session, args, options) => {
    // The default command gets every word that is no command of the group: most likely a misspelt one.
    const [word] = args;
    if (word !== undefined) throw unknownCommand(group, word);
    return action(session, [], options);
  });
}

function unknownCommand(group: Command, word: string): UsageError {
  const known = group.commands.map((command) => command.name());
  const meant = didYouMean(word, known);
  return new UsageError(
    `unknown command "${group.name()} ${word}"`,
    meant ? `did you mean "${group.name()} ${meant}"?` : `${group.name()} knows: ${known.join(", ")}`,
  );
}

/** Options that most listings take. */
export function withPaging(command: Command): Command {
  return command
    .option("--limit <n>", "how many at most", "50")
    .option("--cursor <cursor>", "go on behind a page that said so");
}

/** `from` and `to` as the query wants them. */
export function timeRange(
  { from, to }: Options,
  nowMs: number,
): { from: string | undefined; to: string | undefined } {
  return {
    from: from === undefined ? undefined : timeOption("--from", String(from), nowMs),
    to: to === undefined ? undefined : timeOption("--to", String(to), nowMs),
  };
}

type Page<Row> = Record<string, Row[]> & { next_cursor: string | null };

/** Fetches as many rows as were asked for, in as many pages as it takes, as one answer of the API's form. */
export async function fetchList<Row>(
  session: Session,
  path: string,
  plural: string,
  query: Record<string, string | undefined>,
  { limit, cursor }: Options,
): Promise<{ answer: Page<Row>; rows: Row[] }> {
  const wanted = wholeNumber("--limit", String(limit), 1, 1_000_000);
  const rows: Row[] = [];
  let answer: Page<Row>;
  let next = cursor as string | undefined;
  do {
    const page = { limit: Math.min(PAGE, wanted - rows.length), cursor: next };
    answer = await session.api<Page<Row>>("GET", path, { query: { ...query, ...page } });
    const more = answer[plural] ?? [];
    rows.push(...more);
    next = more.length > 0 ? (answer.next_cursor ?? undefined) : undefined;
  } while (next !== undefined && rows.length < wanted);
  return { answer: { ...answer, [plural]: rows } as Page<Row>, rows };
}

/** Prints a listing and, where there is more, how to get it. */
export function showList<Row>(
  session: Session,
  { answer, rows }: { answer: Page<Row>; rows: Row[] },
  layout: Column<Row>[],
  empty: string,
): void {
  session.show(answer, () => {
    session.screen.table(layout, rows, empty);
    if (answer.next_cursor)
      session.screen.remark(`there is more: --cursor ${answer.next_cursor}, or a larger --limit`);
  });
}

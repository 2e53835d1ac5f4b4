/** Owns `orchestrator dead-letters …`: what waits for a person, and sending it back. Never lists other tasks. */
import type { DeadLetterGroup, DeadLetterList, RedriveAnswer } from "@master-orchestrator/contract";
import type { Command } from "commander";
import type { z } from "zod";
import { UsageError } from "./failure.ts";
import { addGroup, addListing, fetchList, showList, timeRange, withPaging } from "./list.ts";
import { type Options, type Session, type Shell, withAction } from "./session.ts";
import { ago, counted, plain } from "./text.ts";

type DeadLetter = z.infer<typeof DeadLetterList>["dead_letters"][number];
type Group = z.infer<typeof DeadLetterGroup>;

const MOST_NAMED = 50;

/** Registers the group. */
export function addDeadLetters(program: Command, shell: Shell): void {
  const group = addGroup(program, "dead-letters", "tasks that are out of attempts, and sending them back");
  withFilter(withPaging(addListing(group, shell, "list dead letters with their last error", list)));
  const groupsCommand = group.command("groups").description("count them by the kind of their last error");
  withAction(withFilter(withPaging(groupsCommand)), shell, groups);
  const redriveCommand = group
    .command("redrive")
    .description("send dead letters back into the queue: those named, or all that match")
    .option("--task <id>", "one task; may be given many times", (id: string, ids: string[] = []) => [
      ...ids,
      id,
    ])
    .option("--dry-run", "only say which");
  withAction(withFilter(redriveCommand), shell, redrive);
}

function withFilter(command: Command): Command {
  return command
    .option("--workflow <type>", "of one workflow")
    .option("--content-type <type>", "of one content type")
    .option("--fingerprint <fingerprint>", "whose last error is of this kind (see dead-letters groups)")
    .option("--from <time>", "that died at or after (2026-12-01T09:00:00Z, 2h, 7d)")
    .option("--to <time>", "that died before");
}

async function list(session: Session, _args: string[], options: Options): Promise<undefined> {
  const now = session.terminal.now();
  const query = filterOf(options, now);
  const path = "/api/v1/dead-letters";
  const letters = await fetchList<DeadLetter>(session, path, "dead_letters", query, options);
  const layout = [
    { title: "TASK", value: (each: DeadLetter) => each.task_id },
    {
      title: "LANE",
      value: (each: DeadLetter) => `${each.workflow_type}/${each.content_type}`,
      shrinks: true,
    },
    { title: "FAILED", value: (each: DeadLetter) => each.failures, right: true },
    { title: "FINGERPRINT", value: (each: DeadLetter) => each.fingerprint },
    { title: "LAST", value: (each: DeadLetter) => ago(each.errors.at(-1)?.at, now) },
    { title: "LAST ERROR", value: (each: DeadLetter) => each.errors.at(-1)?.message, shrinks: true },
  ];
  showList(session, letters, layout, "no dead letters");
}

async function groups(session: Session, _args: string[], options: Options): Promise<undefined> {
  const now = session.terminal.now();
  const path = "/api/v1/dead-letters/groups";
  const found = await fetchList<Group>(session, path, "groups", filterOf(options, now), options);
  const layout = [
    { title: "FINGERPRINT", value: (each: Group) => each.fingerprint },
    { title: "COUNT", value: (each: Group) => each.count, right: true },
    { title: "FIRST", value: (each: Group) => ago(each.first_seen, now) },
    { title: "LAST", value: (each: Group) => ago(each.last_seen, now) },
    { title: "WORKFLOWS", value: (each: Group) => each.workflow_types.join(", "), shrinks: true },
    { title: "ERROR", value: (each: Group) => `${each.code}: ${each.message}`, shrinks: true },
  ];
  showList(session, found, layout, "no dead letters");
}

async function redrive(session: Session, _args: string[], options: Options): Promise<undefined> {
  const taskIds = options.task as string[] | undefined;
  const filter = filterOf(options, session.terminal.now());
  const filtered = Object.values(filter).some((value) => value !== undefined);
  if ((taskIds === undefined) === !filtered) {
    throw new UsageError(
      "redrive what?",
      "give either --task (many times), or --workflow, --content-type, --fingerprint, --from, --to",
    );
  }
  const dryRun = options.dryRun === true;
  const body = { ...(taskIds === undefined ? { filter } : { task_ids: taskIds }), dry_run: dryRun };
  const answer = await session.api<z.infer<typeof RedriveAnswer>>("POST", "/api/v1/dead-letters/redrive", {
    body,
  });
  session.show(answer, () => {
    const tasks = counted(answer.count, "task");
    session.screen.line(
      dryRun ? `${tasks} would go back into the queue` : `${tasks} sent back into the queue`,
    );
    for (const id of answer.task_ids.slice(0, MOST_NAMED)) session.screen.line(`  ${plain(id)}`);
    if (answer.task_ids.length > MOST_NAMED)
      session.screen.line(`  … and ${answer.task_ids.length - MOST_NAMED} more`);
    if (answer.left > 0) session.screen.remark(`${counted(answer.left, "more task")} match: ask again`);
    for (const id of answer.ignored) session.screen.remark(`${plain(id)} is no dead letter`);
  });
}

function filterOf(options: Options, nowMs: number): Record<string, string | undefined> {
  return {
    workflow_type: options.workflow as string | undefined,
    content_type: options.contentType as string | undefined,
    fingerprint: options.fingerprint as string | undefined,
    ...timeRange(options, nowMs),
  };
}

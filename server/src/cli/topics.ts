/** Owns `orchestrator topics …`: what waits for a schedule. Never enqueues a task. */
import {
  MAX_TOPICS_PER_REQUEST,
  type NewTask,
  type Topic,
  type TopicsAnswer,
} from "@master-orchestrator/contract";
import type { Command } from "commander";
import type { z } from "zod";
import { path } from "./api.ts";
import { oneOf } from "./failure.ts";
import { openInput } from "./input.ts";
import { addGroup, addListing, fetchList, showList, withPaging } from "./list.ts";
import type { Ready } from "./sender.ts";
import { type Options, type Session, type Shell, withAction } from "./session.ts";
import { MAX_BATCH_BYTES, readTasks } from "./task-file.ts";
import { ago, counted, plain } from "./text.ts";
import { contentKey } from "./topic.ts";

/** Registers the group. */
export function addTopics(program: Command, shell: Shell): void {
  const group = addGroup(program, "topics", "what waits to be written about until a schedule takes it");
  withPaging(addListing(group, shell, "list topics, newest first", list)).option(
    "--status <status>",
    STATUSES.join(", "),
  );
  withAction(
    group
      .command("add")
      .description(
        "add the topics of a file (CSV, JSON or NDJSON, as enqueue reads them; - is standard input)",
      )
      .argument("<file>", "the file, or -")
      .option("--format <format>", "csv, json or ndjson (default: by the file's ending or its first bytes)"),
    shell,
    add,
  );
  withAction(
    group.command("remove").description("remove a topic that waits").argument("<topic-id>"),
    shell,
    async (session, [id]) => {
      const answer = await session.api("DELETE", path`/api/v1/topics/${id!}`);
      session.show(answer, () => session.screen.line("removed"));
      return undefined;
    },
  );
}

const STATUSES = ["waiting", "taken"] as const;

async function list(session: Session, _args: string[], options: Options): Promise<undefined> {
  const now = session.terminal.now();
  const status = options.status as string | undefined;
  const query = { status: status === undefined ? undefined : oneOf("topic status", STATUSES, status) };
  const topics = await fetchList<Topic>(session, "/api/v1/topics", "topics", query, options);
  const layout = [
    { title: "TOPIC", value: (topic: Topic) => topic.topic_id },
    { title: "STATUS", value: (topic: Topic) => topic.status },
    { title: "TYPE", value: (topic: Topic) => topic.content_type, shrinks: true },
    { title: "PRIO", value: (topic: Topic) => topic.priority, right: true },
    { title: "ADDED", value: (topic: Topic) => ago(topic.added_at, now) },
    { title: "TITLE", value: (topic: Topic) => topic.payload.title, shrinks: true },
    { title: "TASK", value: (topic: Topic) => topic.task_id },
  ];
  showList(session, topics, layout, "no topics");
}

async function add(session: Session, [file]: string[], options: Options): Promise<number> {
  const { screen, terminal } = session;
  const input = await openInput(file!, options.format as string | undefined, terminal);
  const defaults = {
    workflowType: "content_pipeline",
    contentType: undefined,
    priority: undefined,
    keyFor: contentKey,
  };
  let batch: Ready[] = [];
  let bytes = 0;
  let bad = 0;
  const added: z.infer<typeof TopicsAnswer>["topics"] = [];
  const send = async () => {
    const body = { topics: batch.map(({ task }) => topicOf(task)) };
    if (batch.length > 0)
      added.push(
        ...(await session.api<z.infer<typeof TopicsAnswer>>("POST", "/api/v1/topics", { body })).topics,
      );
    batch = [];
    bytes = 0;
  };
  for await (const entry of readTasks(input, defaults, screen.remark)) {
    const problem = "problem" in entry ? entry.problem : misplaced(entry.ready.task);
    if (problem !== null || "problem" in entry) {
      bad += 1;
      screen.remark(plain(`${"problem" in entry ? entry.place : entry.ready.place}: ${problem}`));
      continue;
    }
    const more = Buffer.byteLength(entry.ready.json) + 1;
    if (batch.length === MAX_TOPICS_PER_REQUEST || bytes + more > MAX_BATCH_BYTES) await send();
    batch.push(entry.ready);
    bytes += more;
  }
  await send();
  const known = added.filter((topic) => topic.duplicate).length;
  session.show({ topics: added }, () => {
    const fresh = (added.length - known).toLocaleString("en-US");
    screen.line(`${fresh} added, ${counted(known, "duplicate")}, ${counted(bad, "bad line")}`);
  });
  return bad === 0 ? 0 : 1;
}

function topicOf({ payload, content_type, priority, idempotency_key: key }: NewTask) {
  return { payload, content_type, priority, key };
}

/** What only a task can have. */
function misplaced(task: NewTask): string | null {
  if (task.not_before !== undefined)
    return "a topic has no not_before: a schedule takes it; enqueue it instead";
  if (task.workflow_type === "content_pipeline") return null;
  return `it names the workflow ${task.workflow_type}: a topic goes to whoever takes topics; enqueue it instead`;
}

/** Dead letters over HTTP: listed, grouped by error, sent back into the queue. Decides nothing. */
import {
  type DeadLetterFilter,
  DeadLetterGroupList,
  DeadLetterList,
  DeadLetterQuery,
  RedriveAnswer,
  RedriveBody,
} from "@master-orchestrator/contract";
import type { Database } from "#store/database.ts";
import {
  deadLetterIds,
  groupDeadLetters,
  listDeadLetters,
  type DeadLetterFilter as StoredFilter,
} from "#store/dead-letters.ts";
import { recordTaskRequest } from "#store/facts.ts";
import { taskErrors } from "#store/task-views.ts";
import { pagesOf } from "../cursor.ts";
import { taskError, taskSummary, time } from "../present.ts";
import { actorOf, defineRoute, type Route } from "../route.ts";

const MAX_REDRIVE = 10_000;
const ABOUT = { tag: "Dead letters" } as const;

export interface DeadLetterRoutesContext {
  db: Database;
  /** Resolves when a cycle has folded in what was recorded before the call. */
  settled(): Promise<void>;
}

export function deadLetterRoutes(context: DeadLetterRoutesContext): Route[] {
  return [...listRoutes(context), redriveRoute(context)];
}

function filterOf(filter: DeadLetterFilter): StoredFilter {
  const { workflow_type, content_type, fingerprint, from, to } = filter;
  return { workflowType: workflow_type, contentType: content_type, fingerprint, from, to };
}

function listRoutes({ db }: DeadLetterRoutesContext): Route[] {
  return [
    defineRoute({
      ...ABOUT,
      method: "GET",
      path: "/api/v1/dead-letters",
      summary: "List dead letters with all their errors, newest first",
      access: "viewer",
      query: DeadLetterQuery,
      answers: { 200: DeadLetterList },
      async handle({ query }) {
        const pages = pagesOf("dead_letters", query);
        const page = { before: pages.after(), limit: query.limit };
        const rows = await listDeadLetters(db, filterOf(query), page);
        const ids = rows.map((row) => row.taskId);
        const errors = Map.groupBy(await taskErrors(db, ids), (error) => error.taskId);
        const dead_letters = rows.map((row) => ({
          ...taskSummary(row),
          fingerprint: row.fingerprint,
          errors: (errors.get(row.taskId) ?? []).map(taskError),
        }));
        return { status: 200, body: { dead_letters, next_cursor: pages.next(rows, (row) => row.taskId) } };
      },
    }),
    defineRoute({
      ...ABOUT,
      method: "GET",
      path: "/api/v1/dead-letters/groups",
      summary: "Dead letters by the kind of their last error, the largest group first",
      description:
        "Errors have the same fingerprint if they differ only in numbers, ids, quoted values, paths, addresses and times.",
      access: "viewer",
      query: DeadLetterQuery,
      answers: { 200: DeadLetterGroupList },
      async handle({ query }) {
        const pages = pagesOf("dead_letter_groups", query, /^\d{1,9}\.([0-9a-f]{16}|unknown)$/);
        const [count, fingerprint] = pages.after()?.split(".") ?? [];
        const after = fingerprint === undefined ? null : { count: Number(count), fingerprint };
        const found = await groupDeadLetters(db, filterOf(query), { after, limit: query.limit });
        const groups = found.map((group) => ({
          fingerprint: group.fingerprint,
          code: group.code,
          message: group.message,
          task_id: group.taskId,
          workflow_types: group.workflowTypes,
          count: group.count,
          first_seen: time(group.firstSeenMs),
          last_seen: time(group.lastSeenMs),
        }));
        const next_cursor = pages.next(found, (group) => `${group.count}.${group.fingerprint}`);
        return { status: 200, body: { groups, next_cursor } };
      },
    }),
  ];
}

function redriveRoute({ db, settled }: DeadLetterRoutesContext): Route {
  return defineRoute({
    ...ABOUT,
    method: "POST",
    path: "/api/v1/dead-letters/redrive",
    summary: "Send dead letters back to the queue, by id or by filter",
    description: "At most 10,000 at once, the oldest first; `left` says how many more match.",
    access: "operator",
    body: RedriveBody,
    answers: { 200: RedriveAnswer },
    async handle({ body, caller }) {
      const { filter, task_ids: taskIds, dry_run } = body;
      const { ids, left } = await deadLetterIds(db, { ...filterOf(filter ?? {}), taskIds }, MAX_REDRIVE);
      if (!dry_run && ids.length > 0) {
        await recordTaskRequest(db, "redrive", ids, { actor: actorOf(caller) });
        await settled();
      }
      const found = new Set(ids);
      const ignored = [...new Set(taskIds)].filter((id) => !found.has(id));
      return { status: 200, body: { dry_run, count: ids.length, left, task_ids: ids, ignored } };
    },
  });
}

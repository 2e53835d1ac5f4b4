/** Topics over HTTP: add, list, remove what waits for a schedule. Enqueues nothing: that is a schedule's slot. */
import {
  Problem,
  type Topic,
  TopicList,
  TopicListQuery,
  TopicRemoved,
  TopicsAnswer,
  TopicsBody,
  Uuid,
} from "@master-orchestrator/contract";
import { z } from "zod";
import type { Database } from "#store/database.ts";
import { addTopics, countWaitingTopics, listTopics, removeTopic, type TopicRow } from "#store/topics.ts";
import { pagesOf } from "../cursor.ts";
import { time } from "../present.ts";
import { actorOf, defineRoute, type Route } from "../route.ts";

const MAX_BODY_BYTES = 12 * 1024 * 1024;

export function topicRoutes({ db }: { db: Database }): Route[] {
  const about = { tag: "Topics" } as const;
  return [
    defineRoute({
      ...about,
      method: "POST",
      path: "/api/v1/topics",
      summary: "Add up to 1,000 topics, for the schedule that takes topics",
      description: "What must not wait for a schedule is enqueued as a task: POST /api/v1/tasks.",
      access: "worker",
      maxBodyBytes: MAX_BODY_BYTES,
      body: TopicsBody,
      answers: { 201: TopicsAnswer },
      async handle({ body, caller }) {
        const added = await db.transaction((tx) => addTopics(tx, body.topics, actorOf(caller)));
        const topics = added.map(({ topicId, duplicate }) => ({ topic_id: topicId, duplicate }));
        return { status: 201, body: { topics } };
      },
    }),
    defineRoute({
      ...about,
      method: "GET",
      path: "/api/v1/topics",
      summary: "Topics, newest first, and how many wait",
      access: ["viewer", "worker"],
      query: TopicListQuery,
      answers: { 200: TopicList },
      async handle({ query }) {
        const pages = pagesOf("topics", query);
        const before = pages.after();
        const rows = await listTopics(db, {
          limit: query.limit,
          ...(query.status ? { status: query.status } : {}),
          ...(before ? { before } : {}),
        });
        const next_cursor = pages.next(rows, (row) => row.topicId);
        return {
          status: 200,
          body: { topics: rows.map(shown), waiting: await countWaitingTopics(db), next_cursor },
        };
      },
    }),
    defineRoute({
      ...about,
      method: "DELETE",
      path: "/api/v1/topics/:topic_id",
      summary: "Remove a topic that waits",
      access: "operator",
      params: z.strictObject({ topic_id: Uuid }),
      answers: { 200: TopicRemoved },
      async handle({ params }) {
        const { topic_id } = params;
        const outcome = await removeTopic(db, topic_id);
        if (outcome === "removed") return { status: 200, body: { topic_id } };
        if (outcome === "unknown") {
          throw new Problem("not_found", `there is no topic ${topic_id}`, "GET /api/v1/topics lists them.");
        }
        const hint = "Cancel the task that was made of it, which GET /api/v1/topics names.";
        throw new Problem("conflict", `the topic ${topic_id} was taken by a schedule`, hint);
      },
    }),
  ];
}

function shown(row: TopicRow): z.input<typeof Topic> {
  return {
    topic_id: row.topicId,
    status: row.takenAtMs === null ? "waiting" : "taken",
    content_type: row.contentType,
    priority: row.priority,
    key: row.key,
    payload: row.payload as Topic["payload"],
    added_at: time(row.addedAtMs),
    added_by: row.addedBy,
    taken_at: time(row.takenAtMs),
    task_id: row.taskId,
  };
}

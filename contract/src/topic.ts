/** Topics: what waits to be written about until a schedule makes tasks of it. */
import { z } from "zod";
import { ContentType, JsonObject, NextCursor, PageQuery, Priority, Timestamp, Uuid } from "./primitives.ts";

export const MAX_TOPICS_PER_REQUEST = 1_000;

const TopicInput = z.strictObject({
  payload: JsonObject.meta({ description: "As of a task of the workflow that takes topics" }),
  content_type: ContentType.default("default"),
  priority: Priority.default(50).meta({
    description: "One point counts like ten minutes of waiting, as with tasks",
  }),
  key: z
    .string()
    .min(1)
    .max(200)
    .optional()
    .meta({ description: "The same key is the same topic, however often it is sent" }),
});
export type TopicInput = z.output<typeof TopicInput>;

export const TopicsBody = z
  .strictObject({ topics: z.array(TopicInput).min(1).max(MAX_TOPICS_PER_REQUEST) })
  .meta({ id: "TopicsBody" });
export const TopicsAnswer = z
  .object({
    topics: z
      .array(z.object({ topic_id: Uuid, duplicate: z.boolean() }))
      .meta({ description: "In the order of the request" }),
  })
  .meta({ id: "TopicsAnswer" });

export const Topic = z
  .object({
    topic_id: Uuid,
    status: z.enum(["waiting", "taken"]),
    content_type: z.string(),
    priority: z.int(),
    key: z.string().nullable(),
    payload: JsonObject,
    added_at: Timestamp,
    added_by: z.string(),
    taken_at: Timestamp.nullable(),
    task_id: Uuid.nullable().meta({ description: "The task that was made of it" }),
  })
  .meta({ id: "Topic" });
export type Topic = z.infer<typeof Topic>;

export const TopicListQuery = PageQuery.extend({ status: z.enum(["waiting", "taken"]).optional() });
export const TopicList = z
  .object({
    topics: z.array(Topic),
    waiting: z.int().meta({ description: "How many wait in all" }),
    next_cursor: NextCursor,
  })
  .meta({ id: "TopicList" });
export const TopicRemoved = z.object({ topic_id: Uuid }).meta({ id: "TopicRemoved" });

/** Dead letters on the wire: tasks that are out of attempts, alone and in groups of one error, and their way back. */
import { z } from "zod";
import { ContentType, isRange, NextCursor, PageQuery, Timestamp, Uuid, WorkflowType } from "./primitives.ts";
import { Fingerprint, MAX_TASKS_PER_REQUEST, TaskError, TaskSummary } from "./task.ts";

/** Which dead letters; `from` and `to` are about the moment at which they died. */
const filter = {
  workflow_type: WorkflowType.optional(),
  content_type: ContentType.optional(),
  fingerprint: Fingerprint.optional(),
  from: Timestamp.optional(),
  to: Timestamp.optional(),
};
export const DeadLetterFilter = z.strictObject(filter).refine(...isRange);
export type DeadLetterFilter = z.infer<typeof DeadLetterFilter>;
export const DeadLetterQuery = PageQuery.extend(filter).refine(...isRange);

export const DeadLetter = TaskSummary.extend({
  fingerprint: Fingerprint.meta({ description: "Of the last error" }),
  errors: z.array(TaskError).meta({ description: "Every attempt's, oldest first" }),
}).meta({ id: "DeadLetter" });
export const DeadLetterList = z
  .object({ dead_letters: z.array(DeadLetter), next_cursor: NextCursor })
  .meta({ id: "DeadLetterList" });

export const DeadLetterGroup = z
  .object({
    fingerprint: Fingerprint,
    code: z.string(),
    message: z.string().meta({ description: "As one of them has it: the last" }),
    task_id: Uuid.meta({ description: "The one whose message this is" }),
    workflow_types: z.array(z.string()),
    count: z.int(),
    first_seen: Timestamp.meta({ description: "When the first of them died" }),
    last_seen: Timestamp,
  })
  .meta({ id: "DeadLetterGroup" });
export const DeadLetterGroupList = z
  .object({ groups: z.array(DeadLetterGroup), next_cursor: NextCursor })
  .meta({ id: "DeadLetterGroupList" });

export const RedriveBody = z
  .strictObject({
    task_ids: z.array(Uuid).min(1).max(MAX_TASKS_PER_REQUEST).optional(),
    filter: DeadLetterFilter.optional(),
    dry_run: z.boolean().default(false),
  })
  .refine((body) => (body.task_ids === undefined) !== (body.filter === undefined), {
    message: "give either task_ids or filter",
  })
  .meta({ id: "RedriveBody" });
export const RedriveAnswer = z
  .object({
    dry_run: z.boolean(),
    count: z.int().meta({ description: "Sent back, or would be: at most 10,000 at once" }),
    left: z.int().meta({ description: "How many more match and stay: ask again for them" }),
    task_ids: z.array(Uuid),
    ignored: z.array(Uuid).meta({ description: "Those of the given task_ids that are no dead letters" }),
  })
  .meta({ id: "RedriveAnswer" });

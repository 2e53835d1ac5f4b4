/** The small words of the wire that every other schema is made of. */
import { z } from "zod";

/** RFC 3339 in UTC or with an offset, e.g. `2026-12-01T09:00:00Z`. */
export const Timestamp = z.iso
  .datetime({ offset: true, error: "must be a time such as 2026-12-01T09:00:00Z (RFC 3339)" })
  .meta({ example: "2026-12-01T09:00:00Z" });

/** US dollars; the store keeps millionths of a dollar as integers. */
export const Usd = z.number().min(0).max(1_000_000);

/** Any JSON value. */
export const Json = z.json().meta({ id: "Json", description: "Any JSON value" });

/** Any JSON object. Its size and depth are limited at the door, before it is parsed. */
export const JsonObject = z.record(z.string(), Json).meta({ description: "Any JSON object" });

export const Uuid = z.uuid({ error: "must be a UUID" });

/** A sub-workflow's name, e.g. `content_pipeline`. */
export const WorkflowType = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,62}$/, "must be lower case letters, digits and _, starting with a letter")
  .meta({ example: "content_pipeline" });

/** The kind of work within a workflow; together they name a lane. */
export const ContentType = z
  .string()
  .regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, "must be lower case letters, digits, _ and -, at most 63")
  .meta({ example: "how_to" });

/** Of a day's 24 hours those from the first until before the second; over midnight if the first is the larger. */
export const DayHours = z
  .tuple([z.int().min(0).max(23), z.int().min(0).max(24)])
  .refine(([from, to]) => from !== to, { message: "must differ: [from, to), over midnight if from > to" });
export type DayHours = z.infer<typeof DayHours>;

/** 0 (whenever) to 100 (now). */
export const Priority = z.int().min(0).max(100);

/** How a page of a list is asked for. */
export const PageQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(500).default(50),
  cursor: z.string().max(200).optional(),
});

/** For a filter's `from` and `to`: the range must hold a moment. */
export const isRange: [
  (range: { from?: string | undefined; to?: string | undefined }) => boolean,
  { path: string[]; message: string },
] = [
  ({ from, to }) => from === undefined || to === undefined || Date.parse(from) < Date.parse(to),
  { path: ["to"], message: "must be later than from" },
];

/** The cursor of the next page, or null on the last. */
export const NextCursor = z.string().nullable();

/** The body of actions that need none. */
export const NoBody = z.strictObject({});

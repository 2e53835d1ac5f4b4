/** Locks for workflows that still run on their own clock: leases with fences. */
import { z } from "zod";
import { NextCursor, PageQuery, Timestamp, Uuid } from "./primitives.ts";

export const LOCK_NAME = /^[A-Za-z0-9][A-Za-z0-9_.:-]{0,199}$/;
const LockName = z
  .string()
  .regex(LOCK_NAME, "must be letters, digits and _ . : -, at most 200")
  .meta({ example: "content-platform" });
const TtlSeconds = z.number().min(1).max(86_400).meta({
  description: "The lease ends by itself after so long: choose more than a run can take",
});

export const LockPath = z.strictObject({ name: LockName });
export const AcquireBody = z.strictObject({
  holder: z
    .string()
    .min(1)
    .max(200)
    .meta({ example: "n8n run 4711", description: "Shown to those who wait" }),
  ttl_seconds: TtlSeconds.default(300),
  wait_seconds: z.number().min(0).max(300).default(0).meta({
    description: "How long the request is held open for it; first come, first served",
  }),
});
export const RenewBody = z.strictObject({
  lease_id: Uuid,
  ttl_seconds: TtlSeconds.optional().meta({ description: "From now on; as long as before when left out" }),
});
export const ReleaseBody = z.strictObject({ lease_id: Uuid });

export const Lease = z
  .object({
    fence: z.int().meta({ description: "Higher than that of any earlier lease of this lock" }),
    lease_id: Uuid,
    expires_at: Timestamp,
  })
  .meta({ id: "Lease" });
export const Released = z.object({ released: z.literal(true) }).meta({ id: "Released" });

export const Lock = z
  .object({
    name: z.string(),
    held: z.boolean(),
    holder: z.string().nullable().meta({ description: "Null while nobody holds it" }),
    fence: z.int(),
    acquired_at: Timestamp.meta({ description: "The last time that it was granted" }),
    expires_at: Timestamp.nullable(),
    waiting: z.int().meta({ description: "Requests that wait for it" }),
    grants: z.int(),
    refusals: z.int().meta({ description: "Requests that went without it" }),
    expirations: z.int().meta({ description: "Leases that were never released" }),
  })
  .meta({ id: "Lock" });
export type Lock = z.infer<typeof Lock>;
export const LockListQuery = PageQuery.extend({ held: z.enum(["true", "false"]).optional() });
export const LockList = z.object({ locks: z.array(Lock), next_cursor: NextCursor }).meta({ id: "LockList" });

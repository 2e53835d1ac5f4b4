/** Sessions of people at the dashboard. */
import { z } from "zod";
import { Timestamp } from "./primitives.ts";

export const LoginBody = z.strictObject({ key: z.string().min(1).max(500) });
export const Session = z
  .object({
    name: z.string(),
    role: z.enum(["viewer", "operator", "admin", "worker"]),
    expires_at: Timestamp.nullable().meta({ description: "Of the session; null for a key" }),
  })
  .meta({ id: "Session" });
export type Session = z.infer<typeof Session>;

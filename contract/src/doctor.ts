/** The doctor's findings on the wire: is the installation sound, and are the rows. */
import { z } from "zod";
import { JsonObject } from "./primitives.ts";

export const DoctorQuery = z.strictObject({
  invariants: z
    .enum(["true", "false"])
    .default("false")
    .meta({ description: "Check every invariant of docs/invariants.md as well; reads the whole database" }),
});

export const Diagnosis = z
  .object({
    healthy: z.boolean(),
    checks: z.array(
      z.object({
        name: z.string(),
        ok: z.boolean(),
        detail: z.string(),
        hint: z.string().nullable().meta({ description: "What to do; null while it is ok" }),
      }),
    ),
    invariants: z
      .array(
        z.object({
          number: z.int(),
          sentence: z.string(),
          violations: z.array(JsonObject).meta({ description: "At most 20 violating rows" }),
        }),
      )
      .nullable(),
  })
  .meta({ id: "Diagnosis" });

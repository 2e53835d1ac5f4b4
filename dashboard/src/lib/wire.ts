/** The API's answers as types, taken from the contract's schemas. Holds no code. */
import type * as wire from "@master-orchestrator/contract";
import type { z } from "zod";

export type Queue = z.infer<typeof wire.Queue>;
export type Lane = Queue["lanes"][number];
export type Task = z.infer<typeof wire.Task>;
export type TaskSummary = z.infer<typeof wire.TaskSummary>;
export type Explanation = z.infer<typeof wire.Explanation>;
export type Execution = z.infer<typeof wire.Execution>;
export type ExecutionSummary = z.infer<typeof wire.ExecutionSummary>;
export type Attempt = z.infer<typeof wire.Attempt>;
export type DeadLetter = z.infer<typeof wire.DeadLetter>;
export type DeadLetterGroup = z.infer<typeof wire.DeadLetterGroup>;
export type RedriveAnswer = z.infer<typeof wire.RedriveAnswer>;
export type Resources = z.infer<typeof wire.Resources>;
export type LedgerSummary = z.infer<typeof wire.LedgerSummary>;
export type Workflow = z.infer<typeof wire.Workflow>;
export type PolicyVersion = z.infer<typeof wire.PolicyVersion>;
export type CycleSummary = z.infer<typeof wire.CycleSummary>;
export type Cycle = z.infer<typeof wire.Cycle>;
export type Recovery = z.infer<typeof wire.Recovery>;
export type Lock = z.infer<typeof wire.Lock>;

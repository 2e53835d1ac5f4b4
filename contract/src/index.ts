/** The wire of the Master Orchestrator: what the outside relies on. Imports nothing of ours. */
export * from "./archive.ts";
export * from "./dead-letter.ts";
export * from "./dispatch.ts";
export * from "./doctor.ts";
export * from "./execution.ts";
export * from "./merge.ts";
export * from "./orchestrator.ts";
export * from "./policy.ts";
export * from "./primitives.ts";
export * from "./problem.ts";
export * from "./readership.ts";
export * from "./recovery.ts";
export * from "./resources.ts";
export * from "./task.ts";
export * from "./topic.ts";
export * from "./validate.ts";
export * from "./workflow.ts";

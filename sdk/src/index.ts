/** What authors of sub-workflows import: a definition in, a webhook out. Holds no code of its own. */
export { type Clock, systemClock } from "./clock.ts";
export {
  type BatchContext,
  type Log,
  type LogLevel,
  type TaskContext,
  TaskRefused,
  type Workflow,
  type WorkflowDefinition,
  type WorkflowOptions,
} from "./definition.ts";
export { type Ending, WorkEnded } from "./ending.ts";
export { type WithNext, withNext } from "./next.ts";
export { serve } from "./serve.ts";
export { defineWorkflow } from "./workflow.ts";

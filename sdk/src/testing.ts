/** The testing kit for authors: an orchestrator to play against, and a clock to move. Nothing of it runs in production. */
export { type ManualClock, manualClock } from "./testing-clock.ts";
export {
  type Dispatched,
  type DispatchOptions,
  type PlayedOrchestrator,
  type PlayOptions,
  playOrchestrator,
} from "./testing-orchestrator.ts";
export type { Call, CallKind, Faults } from "./testing-replies.ts";

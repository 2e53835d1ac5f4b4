/** Owns the rows of a simulated world, for those who read and change them. Neither reads nor changes any. */
import type { Policy, TaskStatus } from "@master-orchestrator/contract";
import type { Fact, Run, WorkflowView } from "#core/snapshot.ts";
import { hasEnded } from "#core/states.ts";
import { type DueList, openDueList } from "./due-list.ts";
import { openWaiting, type Waiting } from "./waiting.ts";

export interface WorldTask {
  taskId: string;
  workflowType: string;
  contentType: string;
  status: TaskStatus;
  priority: number;
  /** Since when it counts its age, and when it becomes due; epoch milliseconds. */
  agedFromMs: number;
  dueAtMs: number;
  failures: number;
  runsAlone: boolean;
  executionId: string | null;
  /** How many follow-ups led to it. */
  chainDepth: number;
}

export type NewWorldTask = Partial<Omit<WorldTask, "taskId">> & Pick<WorldTask, "workflowType">;

export interface Rows {
  nowMs: number;
  paused: boolean;
  readonly beganMs: number;
  readonly policy: Policy;
  readonly workflows: Readonly<Record<string, WorkflowView>>;
  /** Where a lane that was idle begins in virtual time. */
  virtualTime: number;
  readonly tasks: Map<string, WorldTask>;
  readonly runs: Map<string, Run>;
  /** Tasks by the execution that carries them. */
  readonly carried: Map<string, Set<string>>;
  /** Live children of each cycle. */
  readonly children: Map<string, number>;
  readonly running: Record<string, number>;
  readonly snoozed: Record<string, number>;
  readonly waiting: Waiting;
  readonly dueRuns: DueList;
  readonly dueTasks: DueList;
  /** Idempotency keys of follow-ups. */
  readonly keys: Set<string>;
  readonly taken: Set<string>;
  facts: Fact[];
  posted: Run[];
  /** How many names were given. */
  named: number;
}

export const isLive = (run: Run) => !hasEnded(run.status);

export function emptyRows(policy: Policy, workflows: Rows["workflows"], nowMs: number): Rows {
  return {
    nowMs,
    paused: false,
    beganMs: nowMs,
    policy,
    workflows,
    virtualTime: 0,
    tasks: new Map(),
    runs: new Map(),
    carried: new Map(),
    children: new Map(),
    running: {},
    snoozed: {},
    waiting: openWaiting(),
    dueRuns: openDueList(),
    dueTasks: openDueList(),
    keys: new Set(),
    taken: new Set(),
    facts: [],
    posted: [],
    named: 0,
  };
}

/** Owns the queue of a simulated world: waiting tasks by lane and priority level, the oldest first. Never ranks. */
import type { LaneView, WaitingTask } from "#core/snapshot.ts";

export interface QueuedTask extends WaitingTask {
  workflowType: string;
  contentType: string;
}

export interface Waiting {
  add(task: QueuedTask): void;
  /** The task as it was added: its lane, priority and age are where it is looked for. */
  remove(task: QueuedTask): void;
  /** Waiting tasks of a lane. */
  depth(workflowType: string, contentType: string): number;
  virtualTime(workflowType: string, contentType: string): number | null;
  /** Where a lane stands among the others from now on. */
  stand(workflowType: string, contentType: string, at: Pick<LaneView, "virtualTime" | "waited">): void;
  /** Moves every lane of a workflow forward that has a virtual time and is not named. */
  lift(workflowType: string, by: number, except: ReadonlySet<string>): void;
  /** Lanes with waiting tasks in the store's order, of each level no more than `room` tasks of its workflow. */
  lanes(room: (workflowType: string) => number): LaneView[];
}

interface Level {
  priority: number;
  tasks: WaitingTask[];
}

interface Lane {
  name: string;
  workflowType: string;
  contentType: string;
  depth: number;
  virtualTime: number | null;
  waited: boolean;
  levels: Level[];
}

export function openWaiting(): Waiting {
  const lanes = new Map<string, Lane>();
  let inOrder: Lane[] = [];
  const laneOf = (workflowType: string, contentType: string): Lane => {
    const name = `${workflowType}/${contentType}`;
    const known = lanes.get(name);
    if (known) return known;
    const lane: Lane = {
      name,
      workflowType,
      contentType,
      depth: 0,
      virtualTime: null,
      waited: false,
      levels: [],
    };
    lanes.set(name, lane);
    inOrder = [...lanes.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    return lane;
  };
  return {
    add({ workflowType, contentType, taskId, priority, agedFromMs, runsAlone }) {
      const lane = laneOf(workflowType, contentType);
      const { tasks } = levelOf(lane, priority);
      const task = { taskId, priority, agedFromMs, runsAlone };
      tasks.splice(placeOf(tasks, task), 0, task);
      lane.depth += 1;
    },
    remove(task) {
      const lane = laneOf(task.workflowType, task.contentType);
      const { tasks } = levelOf(lane, task.priority);
      const place = placeOf(tasks, task);
      if (tasks[place]?.taskId !== task.taskId)
        throw new Error(`${task.taskId} does not wait in ${lane.name}`);
      tasks.splice(place, 1);
      lane.depth -= 1;
    },
    depth: (workflowType, contentType) => laneOf(workflowType, contentType).depth,
    virtualTime: (workflowType, contentType) => laneOf(workflowType, contentType).virtualTime,
    stand(workflowType, contentType, at) {
      Object.assign(laneOf(workflowType, contentType), at);
    },
    lift(workflowType, by, except) {
      for (const lane of inOrder) {
        if (lane.workflowType !== workflowType || lane.virtualTime === null || except.has(lane.name))
          continue;
        lane.virtualTime += by;
      }
    },
    lanes: (room) =>
      inOrder
        .filter((lane) => lane.depth > 0)
        .map(({ workflowType, contentType, depth, virtualTime, waited, levels }) => {
          const perLevel = room(workflowType);
          const heads = levels.flatMap(({ tasks }) => tasks.slice(0, perLevel));
          return { workflowType, contentType, depth, virtualTime, waited, heads };
        }),
  };
}

function levelOf(lane: Lane, priority: number): Level {
  const place = lane.levels.findIndex((level) => level.priority >= priority);
  const found = lane.levels[place];
  if (found?.priority === priority) return found;
  const level = { priority, tasks: [] };
  lane.levels.splice(place < 0 ? lane.levels.length : place, 0, level);
  return level;
}

/** Where the task stands, or would stand: by age, then by id. New tasks come last, which is looked at first. */
function placeOf(tasks: readonly WaitingTask[], task: WaitingTask): number {
  const isBefore = (other: WaitingTask) =>
    other.agedFromMs < task.agedFromMs ||
    (other.agedFromMs === task.agedFromMs && other.taskId < task.taskId);
  const last = tasks.at(-1);
  if (!last || isBefore(last)) return tasks.length;
  let [low, high] = [0, tasks.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isBefore(tasks[middle] as WaitingTask)) low = middle + 1;
    else high = middle;
  }
  return low;
}

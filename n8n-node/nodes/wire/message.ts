/** Owns what the trigger makes of a dispatch: which messages it takes, and what the workflow is given. Sends nothing. */
import type { IDataObject, INodeExecutionData } from "n8n-workflow";

/** Everything that later nodes need to speak for the attempt; `token` opens this attempt and nothing else. */
export interface Run extends IDataObject {
  execution_id: string;
  attempt: number;
  workflow_type: string;
  callback_url: string;
  token: string;
  deadline: string;
  task_ids: string[];
  params: IDataObject;
  context: IDataObject;
  gateway: IDataObject;
  claimed_at: string;
}

export interface Task extends IDataObject {
  task_id: string;
  content_type: string;
  payload: IDataObject;
}

export interface Message extends IDataObject {
  execution_id: string;
  attempt: number;
  callback_url: string;
  input_data: { tasks: Task[]; params: IDataObject };
  authentication: { token: string };
}

export const isObject = (value: unknown): value is IDataObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** What is wrong with a body that was signed, in words; null if it is a dispatch. */
export function messageProblem(body: unknown): string | null {
  if (!isObject(body)) return "the body is no JSON object";
  const { execution_id, attempt, callback_url, authentication, input_data } = body;
  if (typeof execution_id !== "string") return "execution_id is missing";
  if (typeof attempt !== "number") return "attempt is missing";
  if (typeof callback_url !== "string" || !/^https?:\/\/\S+\/callback$/.test(callback_url)) {
    return "callback_url is missing or no address of a callback";
  }
  if (!isObject(authentication) || typeof authentication.token !== "string") {
    return "authentication.token is missing";
  }
  if (!isObject(input_data) || !Array.isArray(input_data.tasks)) return "input_data.tasks is missing";
  return null;
}

export function runOf(message: Message, claimedAt: string): Run {
  const { execution_id, attempt, callback_url, authentication, input_data } = message;
  return {
    execution_id,
    attempt,
    workflow_type: String(message.workflow_type ?? ""),
    callback_url,
    token: authentication.token,
    deadline: String(message.deadline ?? ""),
    task_ids: input_data.tasks.map((task) => task.task_id),
    params: input_data.params ?? {},
    context: isObject(message.context) ? message.context : {},
    gateway: isObject(message.gateway) ? message.gateway : {},
    claimed_at: claimedAt,
  };
}

/** One item for each task, or one for all of them; a run without tasks (a slot of a schedule) is one item as well. */
export function itemsOf(message: Message, run: Run, shape: "tasks" | "run"): INodeExecutionData[] {
  const { tasks } = message.input_data;
  const pairedItem = { item: 0 };
  if (shape === "run" || tasks.length === 0) {
    return [{ json: { tasks, orchestrator: run }, pairedItem }];
  }
  return tasks.map((task) => ({ json: { ...task, orchestrator: run }, pairedItem }));
}

/** Whether a value is what the trigger puts under `orchestrator`. */
export function isRun(value: unknown): value is Run {
  if (!isObject(value)) return false;
  const { execution_id, attempt, callback_url, token } = value;
  const texts = [execution_id, callback_url, token];
  return texts.every((text) => typeof text === "string") && typeof attempt === "number";
}

/** An item without some of its fields: above all without what holds a token. */
export function without(json: IDataObject, ...names: string[]): IDataObject {
  return Object.fromEntries(Object.entries(json).filter(([name]) => !names.includes(name)));
}

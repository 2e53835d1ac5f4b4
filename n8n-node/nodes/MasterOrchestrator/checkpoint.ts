/** Owns checkpoints: what a finished step of a task has produced, kept for the next attempt. */
import type { IDataObject, IExecuteFunctions, INodeExecutionData, INodeProperties } from "n8n-workflow";
import { ask, jsonParameter, runOfWorkflow } from "../wire/calls.ts";
import { isObject, without } from "../wire/message.ts";
import { runFrom, shownFor } from "./fields.ts";

const taskId: INodeProperties = {
  displayName: "Task ID",
  name: "taskId",
  type: "string",
  default: "={{ $json.task_id }}",
  required: true,
};

export const checkpointFields: INodeProperties[] = [
  {
    displayName: "Operation",
    name: "operation",
    type: "options",
    noDataExpression: true,
    default: "save",
    displayOptions: { show: { resource: ["checkpoint"] } },
    options: [
      {
        name: "Get Many",
        value: "getAll",
        action: "Get the checkpoints of a task",
        description: "What earlier attempts have saved, by key",
      },
      {
        name: "Save",
        value: "save",
        action: "Save a checkpoint",
        description: "Keeps what a finished step has produced",
      },
    ],
  },
  ...shownFor("checkpoint", ["save", "getAll"], runFrom),
  ...shownFor("checkpoint", ["save", "getAll"], [taskId]),
  ...shownFor(
    "checkpoint",
    ["save"],
    [
      {
        displayName: "Key",
        name: "key",
        type: "string",
        default: "",
        required: true,
        placeholder: "draft",
        description: "The step's name, of letters, digits, dots, dashes and colons",
      },
      {
        displayName: "Value",
        name: "value",
        type: "json",
        default: "={{ $json }}",
        description: "What the step has produced, up to 1 MB",
      },
    ],
  ),
];

export async function saveCheckpoint(
  context: IExecuteFunctions,
  item: number,
): Promise<INodeExecutionData[]> {
  const run = runOfWorkflow(context);
  const key = String(context.getNodeParameter("key", item, ""));
  const task_id = String(context.getNodeParameter("taskId", item, ""));
  const url = run.callback_url.replace(/callback$/, `checkpoints/${encodeURIComponent(key)}`);
  const given = jsonParameter(context, "value", item) ?? null;
  // An item that came from the trigger holds the token of an attempt: it is worth nothing to the next one.
  const value = isObject(given) ? without(given, "orchestrator") : given;
  await ask(context, { method: "PUT", url, token: run.token, body: { task_id, value } as IDataObject }, item);
  return [{ json: { saved: true, task_id, key }, pairedItem: { item } }];
}

/** All of a task, by key: whatever any earlier attempt has saved. */
export async function getCheckpoints(
  context: IExecuteFunctions,
  item: number,
): Promise<INodeExecutionData[]> {
  const run = runOfWorkflow(context);
  const task_id = String(context.getNodeParameter("taskId", item, ""));
  const url = run.callback_url.replace(/callback$/, "checkpoints");
  const answer = await ask(context, { method: "GET", url, token: run.token, qs: { task_id } }, item);
  const saved = answer.checkpoints as { key: string; value: IDataObject }[];
  const checkpoints = Object.fromEntries(saved.map(({ key, value }) => [key, value]));
  return [{ json: { task_id, checkpoints }, pairedItem: { item } }];
}

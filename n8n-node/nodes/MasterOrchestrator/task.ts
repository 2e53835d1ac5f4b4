/** Owns enqueuing: one task for each item, in as few calls as there may be. */
import type { IDataObject, IExecuteFunctions, INodeExecutionData, INodeProperties } from "n8n-workflow";
import { ask, jsonParameter } from "../wire/calls.ts";
import { without } from "../wire/message.ts";
import { shownFor } from "./fields.ts";

/** Below the contract's 10,000: a body has to stay below 12 MB too. */
const TASKS_PER_CALL = 500;

export const taskFields: INodeProperties[] = [
  {
    displayName: "Operation",
    name: "operation",
    type: "options",
    noDataExpression: true,
    default: "enqueue",
    displayOptions: { show: { resource: ["task"] } },
    options: [
      {
        name: "Enqueue",
        value: "enqueue",
        action: "Enqueue tasks",
        description: "One task for each item",
      },
    ],
  },
  ...shownFor(
    "task",
    ["enqueue"],
    [
      {
        displayName: "Workflow Type",
        name: "workflowType",
        type: "string",
        default: "",
        required: true,
        placeholder: "content_pipeline",
      },
      {
        displayName: "Payload",
        name: "payload",
        type: "json",
        default: "={{ $json }}",
        description: "What the workflow is given to do",
      },
      {
        displayName: "More",
        name: "taskMore",
        type: "collection",
        default: {},
        options: [
          {
            displayName: "Content Type",
            name: "contentType",
            type: "string",
            default: "default",
            description: "Together with the workflow type it names the lane",
          },
          {
            displayName: "Idempotency Key",
            name: "idempotencyKey",
            type: "string",
            default: "",
            description:
              "The same key with the same payload is the same task, however often it is sent. Without one, each item of each run is a task of its own.",
          },
          { displayName: "Not Before", name: "notBefore", type: "dateTime", default: "" },
          {
            displayName: "Priority",
            name: "priority",
            type: "number",
            typeOptions: { minValue: 0, maxValue: 100 },
            default: 50,
          },
        ],
      },
    ],
  ),
];

export async function enqueue(context: IExecuteFunctions): Promise<INodeExecutionData[]> {
  const tasks = context.getInputData().map((_, item) => taskOf(context, item));
  const enqueued: INodeExecutionData[] = [];
  for (let from = 0; from < tasks.length; from += TASKS_PER_CALL) {
    const body = { tasks: tasks.slice(from, from + TASKS_PER_CALL) };
    const answer = await ask(context, { method: "POST", url: "/api/v1/tasks", body });
    (answer.tasks as IDataObject[]).forEach((json, i) => {
      enqueued.push({ json, pairedItem: { item: from + i } });
    });
  }
  return enqueued;
}

function taskOf(context: IExecuteFunctions, item: number): IDataObject {
  const more = context.getNodeParameter("taskMore", item, {}) as IDataObject;
  const payload = (jsonParameter(context, "payload", item) ?? {}) as IDataObject;
  // A call that is made again after a cut connection, or by n8n's retry, must not enqueue twice.
  const round = context.getWorkflowDataProxy(item).$thisRunIndex;
  const own = `n8n ${context.getExecutionId()} ${context.getNode().id} ${round}.${item}`;
  return {
    workflow_type: String(context.getNodeParameter("workflowType", item, "")),
    // A token has no business in a payload.
    payload: without(payload, "orchestrator"),
    idempotency_key: String(more.idempotencyKey || own),
    ...(more.contentType ? { content_type: more.contentType } : {}),
    ...(more.priority === undefined ? {} : { priority: more.priority }),
    ...(more.notBefore ? { not_before: new Date(String(more.notBefore)).toISOString() } : {}),
  };
}

/** Owns the operations of a run: report its result, show that it lives. */
import type { IDataObject, IExecuteFunctions, INodeExecutionData, INodeProperties } from "n8n-workflow";
import { NodeOperationError } from "n8n-workflow";
import { type Answer, call, checkedJson, jsonParameter, refused, runOfWorkflow } from "../wire/calls.ts";
import type { Run } from "../wire/message.ts";
import { runFrom, shownFor } from "./fields.ts";
import { clean, messageOf, type Outcome, outcomeOf } from "./report.ts";

/** A result is work that was paid for: it is worth waiting for. */
const REPORT_PATIENCE_SECONDS = 300;
const HEARTBEAT_PATIENCE_SECONDS = 5;
/** The contract's 1.5 MB, less what stands around it. */
const MAX_REPORT_BYTES = 1_450_000;

export const runFields: INodeProperties[] = [
  {
    displayName: "Operation",
    name: "operation",
    type: "options",
    noDataExpression: true,
    default: "report",
    displayOptions: { show: { resource: ["run"] } },
    options: [
      {
        name: "Heartbeat",
        value: "heartbeat",
        action: "Show that a run is alive",
        description: "Shows progress; passes its items on",
      },
      {
        name: "Report Result",
        value: "report",
        action: "Report the result of a run",
        description: "Tells the orchestrator how the run ended",
      },
    ],
  },
  ...shownFor("run", ["report", "heartbeat"], runFrom),
  ...shownFor(
    "run",
    ["report"],
    [
      {
        displayName: "Status",
        name: "status",
        type: "options",
        default: "items",
        options: [
          {
            name: "By the Items",
            value: "items",
            description:
              "Each item with a task_id speaks for its task, an item with an error for its failure",
          },
          { name: "Completed", value: "completed" },
          { name: "Failed", value: "failed" },
          { name: "Partial", value: "partial", description: "Some tasks are completed, others are not" },
        ],
      },
      {
        displayName: "Result",
        name: "resultData",
        type: "json",
        default: "{}",
        displayOptions: { show: { status: ["completed"] } },
        description: "What is kept as the result of every task of the run",
      },
      {
        displayName: "Items",
        name: "items",
        type: "json",
        default: "[]",
        required: true,
        displayOptions: { show: { status: ["partial"] } },
        description:
          "A list of { task_id, status: completed or failed, result_data, error_data }, as in the contract's callback",
      },
      {
        displayName: "Error Message",
        name: "errorMessage",
        type: "string",
        default: "",
        required: true,
        displayOptions: { show: { status: ["failed"] } },
      },
      {
        displayName: "Retry",
        name: "retry",
        type: "boolean",
        default: true,
        displayOptions: { show: { status: ["failed"] } },
        description: "Whether another attempt may help; without it the tasks go to the dead letters at once",
      },
      {
        displayName: "More",
        name: "more",
        type: "collection",
        default: {},
        options: [
          {
            displayName: "Calls by Provider",
            name: "apiCalls",
            type: "json",
            default: "{}",
            placeholder: '{ "gemini": 6 }',
          },
          {
            displayName: "Cost in US Dollars",
            name: "costUsd",
            type: "number",
            typeOptions: { minValue: 0, numberPrecision: 6 },
            default: 0,
            description: "Counts against the day's budget, less what the gateway has metered",
          },
          {
            displayName: "Follow-Up Tasks",
            name: "next",
            type: "json",
            default: "[]",
            description: "A list of { workflow_type, content_type, priority, payload }",
          },
          {
            displayName: "Try for Seconds",
            name: "patienceSeconds",
            type: "number",
            typeOptions: { minValue: 0, maxValue: 3600 },
            default: REPORT_PATIENCE_SECONDS,
            description: "How long the report is sent again while the orchestrator does not answer",
          },
        ],
      },
    ],
  ),
  ...shownFor(
    "run",
    ["heartbeat"],
    [
      {
        displayName: "Progress",
        name: "progress",
        type: "number",
        typeOptions: { minValue: 0, maxValue: 1, numberPrecision: 3 },
        default: 0,
        description: "From 0 to 1",
      },
      { displayName: "Message", name: "message", type: "string", default: "" },
      {
        displayName: "Heard Again Within Seconds",
        name: "nextWithinSeconds",
        type: "number",
        typeOptions: { minValue: 0, maxValue: 3600 },
        default: 0,
        description: "A promise: silent for longer means that the run is lost. 0: no promise.",
      },
    ],
  ),
];

/** Once for all items: a run has one result. */
export async function report(context: IExecuteFunctions): Promise<INodeExecutionData[]> {
  const run = runOfWorkflow(context);
  const body = reportBody(context, run);
  const bytes = Buffer.byteLength(JSON.stringify(body));
  if (bytes > MAX_REPORT_BYTES) {
    throw new NodeOperationError(
      context.getNode(),
      `The result has ${bytes} bytes; ${MAX_REPORT_BYTES} are taken`,
      {
        description: "Keep large results elsewhere and report their address: remove fields with Edit Fields.",
      },
    );
  }
  const { patienceSeconds = REPORT_PATIENCE_SECONDS } = moreOf(context);
  const answer = await call(context, {
    method: "POST",
    url: run.callback_url,
    token: run.token,
    body,
    patienceSeconds: Number(patienceSeconds),
  });
  const pairedItem = context.getInputData().map((_, item) => ({ item }));
  return [{ json: { status: body.status, ...reportAnswer(context, answer) }, pairedItem }];
}

/** A report that comes too late is an answer, not an error of this workflow: nothing that it does helps any more. */
function reportAnswer(context: IExecuteFunctions, answer: Answer): IDataObject {
  if (answer.status === 200) return answer.body;
  if (answer.status === 409 && answer.body.code === "stale_attempt") {
    context.addExecutionHints({ message: `The report does not count: ${String(answer.body.detail)}` });
    return { accepted: false, reason: "stale_attempt" };
  }
  throw refused(context, answer);
}

function reportBody(context: IExecuteFunctions, run: Run): IDataObject {
  const more = moreOf(context);
  const { execution_id, attempt } = run;
  const apiCalls = checkedJson(context, "Calls by Provider", more.apiCalls, 0);
  const next = checkedJson(context, "Follow-Up Tasks", more.next, 0);
  const metrics = {
    duration_ms: Math.max(0, Date.now() - Date.parse(run.claimed_at)),
    ...(more.costUsd === undefined ? {} : { cost_usd: more.costUsd }),
    ...(apiCalls === undefined ? {} : { api_calls: apiCalls }),
  };
  const outcome = outcomeAsked(context, run);
  return clean({ execution_id, attempt, ...outcome, metrics, ...(next === undefined ? {} : { next }) });
}

function outcomeAsked(context: IExecuteFunctions, run: Run): Outcome {
  const status = context.getNodeParameter("status", 0, "items") as Outcome["status"] | "items";
  if (status === "completed") {
    return { status, result_data: (jsonParameter(context, "resultData", 0) ?? {}) as IDataObject };
  }
  if (status === "partial") {
    const items = jsonParameter(context, "items", 0);
    if (Array.isArray(items)) return { status, items };
    throw new NodeOperationError(context.getNode(), 'The field "items" is not a list', {
      description: "Give a list with one object for each task: task_id, status, result_data or error_data.",
    });
  }
  if (status === "failed") {
    const message = messageOf(context.getNodeParameter("errorMessage", 0, "")) || "it failed";
    const retry_recommended = context.getNodeParameter("retry", 0, true) === true;
    return { status, error_data: { message, retry_recommended, n8n_execution_id: context.getExecutionId() } };
  }
  const ended = context.getInputData().map(({ json, error }) => ({ json, error }));
  return outcomeOf(run, ended, context.getExecutionId());
}

function moreOf(context: IExecuteFunctions): IDataObject {
  return context.getNodeParameter("more", 0, {}) as IDataObject;
}

/** Passes its items on: it may stand anywhere. A run whose attempt is over stops here; an orchestrator that is away stops nothing. */
export async function heartbeat(context: IExecuteFunctions): Promise<INodeExecutionData[]> {
  const run = runOfWorkflow(context);
  const message = String(context.getNodeParameter("message", 0, ""));
  const within = Number(context.getNodeParameter("nextWithinSeconds", 0, 0));
  const passed = context.getInputData().map((item, index) => ({ ...item, pairedItem: { item: index } }));
  let answer: Answer;
  try {
    answer = await call(context, {
      method: "POST",
      url: run.callback_url.replace(/callback$/, "heartbeat"),
      token: run.token,
      patienceSeconds: HEARTBEAT_PATIENCE_SECONDS,
      body: {
        attempt: run.attempt,
        progress: Number(context.getNodeParameter("progress", 0, 0)),
        ...(message === "" ? {} : { message }),
        ...(within > 0 ? { next_within_seconds: within } : {}),
      },
    });
  } catch (error) {
    context.addExecutionHints({ message: `No heartbeat: ${messageOf(error)}` });
    return passed;
  }
  if (answer.status !== 200) throw refused(context, answer);
  return passed;
}

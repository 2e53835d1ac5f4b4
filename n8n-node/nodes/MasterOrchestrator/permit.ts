/** Owns permits: the right to make a provider's requests that cannot pass the gateway, and the report of what they cost. */
import type { IDataObject, IExecuteFunctions, INodeExecutionData, INodeProperties } from "n8n-workflow";
import { ask, runIfAny } from "../wire/calls.ts";
import { shownFor } from "./fields.ts";

const tokens = (displayName: string, name: string, description: string): INodeProperties => ({
  displayName,
  name,
  type: "number",
  typeOptions: { minValue: 0 },
  default: 0,
  description,
});
const model: INodeProperties = { displayName: "Model", name: "model", type: "string", default: "" };

export const permitFields: INodeProperties[] = [
  {
    displayName: "Operation",
    name: "operation",
    type: "options",
    noDataExpression: true,
    default: "take",
    displayOptions: { show: { resource: ["permit"] } },
    options: [
      {
        name: "Report Usage",
        value: "report",
        action: "Report what requests have used",
        description: "Tells what the requests under a permit have cost",
      },
      {
        name: "Take",
        value: "take",
        action: "Take a permit for requests",
        description: "Asks for requests that cannot pass the gateway",
      },
    ],
  },
  ...shownFor(
    "permit",
    ["take"],
    [
      {
        displayName: "Provider",
        name: "provider",
        type: "string",
        default: "gemini",
        required: true,
        placeholder: "gemini",
      },
      {
        displayName: "Requests",
        name: "count",
        type: "number",
        typeOptions: { minValue: 1, maxValue: 1000 },
        default: 1,
        description: "How many requests it is for: all of them, or none",
      },
      {
        displayName: "Wait Seconds",
        name: "waitSeconds",
        type: "number",
        typeOptions: { minValue: 0, maxValue: 300 },
        default: 30,
        description: "How long to wait while the provider's limit lets none through",
      },
      {
        displayName: "More",
        name: "permitMore",
        type: "collection",
        default: {},
        options: [
          {
            displayName: "Cost at Most, in US Dollars",
            name: "maxCostUsd",
            type: "number",
            typeOptions: { minValue: 0, numberPrecision: 6 },
            default: 0,
            description: "Set aside from the budget; unless told, by the tokens and the model's price",
          },
          tokens("Input Tokens at Most", "maxInputTokens", "Of all requests together"),
          model,
          tokens("Output Tokens at Most", "maxOutputTokens", "Of all requests together"),
        ],
      },
    ],
  ),
  ...shownFor(
    "permit",
    ["report"],
    [
      {
        displayName: "Permit ID",
        name: "permitId",
        type: "string",
        default: "={{ $json.permit_id }}",
        required: true,
      },
      {
        displayName: "Unused",
        name: "unused",
        type: "boolean",
        default: false,
        description: "Whether the provider never got the requests: the money is free again",
      },
      {
        displayName: "Usage",
        name: "usage",
        type: "collection",
        default: {},
        displayOptions: { show: { unused: [false] } },
        options: [
          tokens("Cached Input Tokens", "cachedInputTokens", "Of the input tokens"),
          {
            displayName: "Cost in US Dollars",
            name: "costUsd",
            type: "number",
            typeOptions: { minValue: 0, numberPrecision: 6 },
            default: 0,
            description: "Unless told, by the tokens and the model's price",
          },
          tokens("Input Tokens", "inputTokens", "Of all requests together"),
          model,
          tokens("Output Tokens", "outputTokens", "Of all requests together"),
        ],
      },
    ],
  ),
];

/** The fields of a collection that were filled in, by their names on the wire. */
function filled(collection: IDataObject, names: Readonly<Record<string, string>>): IDataObject {
  return Object.fromEntries(
    Object.entries(names).flatMap(([name, wire]) => {
      const value = collection[name];
      return value === undefined || value === "" ? [] : [[wire, value]];
    }),
  );
}

/** Once for all items. Within a run of the orchestrator it is that run's: its cost is told there. */
export async function takePermit(context: IExecuteFunctions): Promise<INodeExecutionData[]> {
  const waitSeconds = Number(context.getNodeParameter("waitSeconds", 0, 30));
  const body = {
    provider: String(context.getNodeParameter("provider", 0, "")),
    count: Number(context.getNodeParameter("count", 0, 1)),
    wait_seconds: waitSeconds,
    ...filled(context.getNodeParameter("permitMore", 0, {}) as IDataObject, {
      model: "model",
      maxInputTokens: "max_input_tokens",
      maxOutputTokens: "max_output_tokens",
      maxCostUsd: "max_cost_usd",
    }),
  };
  const call = { method: "POST", body, timeoutMs: (waitSeconds + 30) * 1000 } as const;
  return told(context, await ask(context, { ...call, ...addressOf(context, "permits") }));
}

export async function reportUsage(context: IExecuteFunctions): Promise<INodeExecutionData[]> {
  const permit_id = String(context.getNodeParameter("permitId", 0, ""));
  const usage = filled(context.getNodeParameter("usage", 0, {}) as IDataObject, {
    model: "model",
    inputTokens: "input_tokens",
    cachedInputTokens: "cached_input_tokens",
    outputTokens: "output_tokens",
    costUsd: "cost_usd",
  });
  const unused = context.getNodeParameter("unused", 0, false) === true;
  const body = { permit_id, ...(unused ? { unused } : usage) };
  return told(context, await ask(context, { method: "POST", body, ...addressOf(context, "usage") }));
}

function addressOf(context: IExecuteFunctions, path: string): { url: string; token?: string } {
  const run = runIfAny(context);
  if (run === null) return { url: `/api/v1/${path}` };
  return { url: run.callback_url.replace(/executions\/[^/]+\/callback$/, path), token: run.token };
}

function told(context: IExecuteFunctions, json: IDataObject): INodeExecutionData[] {
  return [{ json, pairedItem: context.getInputData().map((_, item) => ({ item })) }];
}

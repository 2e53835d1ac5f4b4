/** Owns the operations of a lock: acquire, renew, release. Keeps no lease: the item has it. */
import type { IExecuteFunctions, INodeExecutionData, INodeProperties } from "n8n-workflow";
import { ask, call, refused } from "../wire/calls.ts";
import { shownFor } from "./fields.ts";

const ttl: INodeProperties = {
  displayName: "Lease Seconds",
  name: "ttlSeconds",
  type: "number",
  typeOptions: { minValue: 1, maxValue: 86400 },
  default: 300,
  description: "The lock is free again after so long: choose more than a run can take",
};

export const lockFields: INodeProperties[] = [
  {
    displayName: "Operation",
    name: "operation",
    type: "options",
    noDataExpression: true,
    default: "acquire",
    displayOptions: { show: { resource: ["lock"] } },
    options: [
      {
        name: "Acquire",
        value: "acquire",
        action: "Acquire a lock",
        description: "Takes a lock for a time",
      },
      { name: "Release", value: "release", action: "Release a lock", description: "Gives a lock back" },
      { name: "Renew", value: "renew", action: "Renew a lock", description: "Keeps a lock for longer" },
    ],
  },
  ...shownFor(
    "lock",
    ["acquire", "renew", "release"],
    [
      {
        displayName: "Lock",
        name: "lock",
        type: "string",
        default: "",
        required: true,
        placeholder: "content-platform",
        description: "Workflows that use one name exclude each other",
      },
    ],
  ),
  ...shownFor(
    "lock",
    ["acquire"],
    [
      ttl,
      {
        displayName: "Wait Seconds",
        name: "waitSeconds",
        type: "number",
        typeOptions: { minValue: 0, maxValue: 300 },
        default: 0,
        description: "How long to stand in line; first come, first served",
      },
      {
        displayName: "If It Is Not Free",
        name: "otherwise",
        type: "options",
        default: "stop",
        options: [
          { name: "Fail", value: "fail", description: "The node has an error" },
          { name: "Go On", value: "continue", description: "The item says granted: false, and who holds it" },
          { name: "Stop Quietly", value: "stop", description: "No item goes on: this run is skipped" },
        ],
      },
    ],
  ),
  ...shownFor(
    "lock",
    ["renew", "release"],
    [
      {
        displayName: "Lease ID",
        name: "leaseId",
        type: "string",
        default: "={{ $json.lease_id }}",
        required: true,
        description: "That of the item that acquired it",
      },
    ],
  ),
  ...shownFor("lock", ["renew"], [ttl]),
];

const pathOf = (context: IExecuteFunctions, action: string) =>
  `/api/v1/locks/${encodeURIComponent(String(context.getNodeParameter("lock", 0, "")))}/${action}`;

/** Once for all items. */
export async function acquire(context: IExecuteFunctions): Promise<INodeExecutionData[]> {
  const waitSeconds = Number(context.getNodeParameter("waitSeconds", 0, 0));
  const holder = `n8n run ${context.getExecutionId()}`;
  const answer = await call(context, {
    method: "POST",
    url: pathOf(context, "acquire"),
    body: {
      holder,
      ttl_seconds: Number(context.getNodeParameter("ttlSeconds", 0, 300)),
      wait_seconds: waitSeconds,
    },
    timeoutMs: (waitSeconds + 30) * 1000,
  });
  const lock = String(context.getNodeParameter("lock", 0, ""));
  const pairedItem = context.getInputData().map((_, item) => ({ item }));
  if (answer.status === 200) return [{ json: { lock, granted: true, holder, ...answer.body }, pairedItem }];
  const otherwise = context.getNodeParameter("otherwise", 0, "stop");
  if (answer.body.code !== "locked" || otherwise === "fail") throw refused(context, answer);
  context.addExecutionHints({ message: `Not free: ${String(answer.body.detail)}` });
  if (otherwise === "stop") return [];
  return [{ json: { lock, granted: false, holder: answer.body.holder ?? null }, pairedItem }];
}

/** A lease that was lost is an error: what it protected may be another's by now. */
export async function keepOrGive(context: IExecuteFunctions, action: "renew" | "release") {
  const body = {
    lease_id: String(context.getNodeParameter("leaseId", 0, "")),
    ...(action === "renew" ? { ttl_seconds: Number(context.getNodeParameter("ttlSeconds", 0, 300)) } : {}),
  };
  const answer = await ask(context, { method: "POST", url: pathOf(context, action), body });
  const pairedItem = context.getInputData().map((_, item) => ({ item }));
  return [{ json: { lock: String(context.getNodeParameter("lock", 0, "")), ...answer }, pairedItem }];
}

/** Owns the node's face, and which operation does what. The operations lie beside it, by resource. */
import {
  type IExecuteFunctions,
  type INodeExecutionData,
  type INodeType,
  type INodeTypeDescription,
  NodeConnectionTypes,
  NodeOperationError,
} from "n8n-workflow";
import { CREDENTIAL } from "../wire/calls.ts";
import { checkpointFields, getCheckpoints, saveCheckpoint } from "./checkpoint.ts";
import { acquire, keepOrGive, lockFields } from "./lock.ts";
import { permitFields, reportUsage, takePermit } from "./permit.ts";
import { heartbeat, report, runFields } from "./run.ts";
import { enqueue, taskFields } from "./task.ts";

export class MasterOrchestrator implements INodeType {
  description: INodeTypeDescription = {
    displayName: "Master Orchestrator",
    name: "masterOrchestrator",
    icon: {
      light: "file:../../icons/master-orchestrator.svg",
      dark: "file:../../icons/master-orchestrator.dark.svg",
    },
    group: ["transform"],
    version: 1,
    subtitle: '={{ $parameter["operation"] + ": " + $parameter["resource"] }}',
    description: "Report, lock, enqueue and meter under the Master Orchestrator",
    defaults: { name: "Master Orchestrator" },
    inputs: [NodeConnectionTypes.Main],
    outputs: [NodeConnectionTypes.Main],
    usableAsTool: true,
    credentials: [{ name: CREDENTIAL, required: true }],
    properties: [
      {
        displayName: "Resource",
        name: "resource",
        type: "options",
        noDataExpression: true,
        default: "run",
        options: [
          { name: "Checkpoint", value: "checkpoint" },
          { name: "Lock", value: "lock" },
          { name: "Permit", value: "permit" },
          { name: "Run", value: "run" },
          { name: "Task", value: "task" },
        ],
      },
      ...runFields,
      ...checkpointFields,
      ...lockFields,
      ...permitFields,
      ...taskFields,
    ],
  };

  async execute(this: IExecuteFunctions): Promise<INodeExecutionData[][]> {
    const resource = String(this.getNodeParameter("resource", 0));
    const operation = String(this.getNodeParameter("operation", 0));
    return [await perform(this, `${resource}.${operation}`)];
  }
}

async function perform(context: IExecuteFunctions, operation: string): Promise<INodeExecutionData[]> {
  switch (operation) {
    case "run.report":
      return await report(context);
    case "run.heartbeat":
      return await heartbeat(context);
    case "checkpoint.save":
      return await forEachItem(context, saveCheckpoint);
    case "checkpoint.getAll":
      return await forEachItem(context, getCheckpoints);
    case "lock.acquire":
      return await acquire(context);
    case "lock.renew":
      return await keepOrGive(context, "renew");
    case "lock.release":
      return await keepOrGive(context, "release");
    case "permit.take":
      return await takePermit(context);
    case "permit.report":
      return await reportUsage(context);
    case "task.enqueue":
      return await enqueue(context);
    default:
      throw new NodeOperationError(context.getNode(), `There is no operation "${operation}"`);
  }
}

async function forEachItem(
  context: IExecuteFunctions,
  act: (context: IExecuteFunctions, item: number) => Promise<INodeExecutionData[]>,
): Promise<INodeExecutionData[]> {
  const out: INodeExecutionData[] = [];
  for (let item = 0; item < context.getInputData().length; item++) out.push(...(await act(context, item)));
  return out;
}

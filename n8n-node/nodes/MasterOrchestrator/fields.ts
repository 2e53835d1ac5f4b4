/** Owns fields that several operations have, and how fields are shown: only with their resource and operation. */
import type { INodeProperties } from "n8n-workflow";

export function shownFor(
  resource: string,
  operations: readonly string[],
  fields: readonly INodeProperties[],
): INodeProperties[] {
  return fields.map((field) => ({
    ...field,
    displayOptions: {
      ...field.displayOptions,
      show: { ...field.displayOptions?.show, resource: [resource], operation: [...operations] },
    },
  }));
}

export const runFrom: INodeProperties[] = [
  {
    displayName: "Run From",
    name: "runFrom",
    type: "options",
    default: "trigger",
    options: [
      {
        name: "An Expression",
        value: "expression",
        description: "For error workflows and sub-workflows",
      },
      { name: "The Trigger of This Workflow", value: "trigger" },
    ],
  },
  {
    displayName: "Run",
    name: "run",
    type: "json",
    default: "={{ $json.orchestrator }}",
    required: true,
    displayOptions: { show: { runFrom: ["expression"] } },
    description: "What the trigger has put under orchestrator",
  },
];

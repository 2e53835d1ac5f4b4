/** Owns stand-ins for the contexts in which n8n runs a node: parameters with their defaults and expressions, items, real HTTP. */
import { runInNewContext } from "node:vm";
import { ADMIN_KEY } from "../house.ts";
import { send } from "../http.ts";
import type { NodeType, Property } from "./package.ts";

export interface Item {
  // biome-ignore lint/suspicious/noExplicitAny: tests look into items as they please
  json: any;
  error?: unknown;
  pairedItem?: unknown;
}

export interface Credential {
  url: string;
  apiKey?: string;
  signingSecret?: string;
}

export interface Execution {
  id: string;
  credential: Credential;
  hints: string[];
  /** What the trigger put out, if it has run: found by later nodes through its name. */
  triggered?: Item[];
}

const TRIGGER = "When it's dispatched";

/** Runs a node once, as n8n does: `parameters` are what a person has filled in, the rest are the description's defaults. */
export async function execute(
  node: NodeType,
  execution: Execution,
  parameters: Record<string, unknown>,
  items: Item[] = [{ json: {} }],
): Promise<Item[]> {
  const { credential } = execution;
  const context = {
    getNode: () => ({ id: "node-1", name: node.description.name, type: `x.${node.description.name}` }),
    getExecutionId: () => execution.id,
    getCredentials: async () => credential,
    getInputData: () => items,
    getNodeParameter: (name: string, item: number, otherwise: unknown) =>
      parameterOf(node.description.properties, parameters, name, items[item]?.json) ?? otherwise,
    getParentNodes: () =>
      execution.triggered
        ? [
            { name: "Edit Fields", type: "n8n-nodes-base.set" },
            { name: TRIGGER, type: "CUSTOM.masterOrchestratorTrigger" },
          ]
        : [],
    getWorkflowDataProxy: () => ({
      $thisRunIndex: 0,
      $: (name: string) => {
        if (name !== TRIGGER) throw new Error(`there is no node "${name}"`);
        return { isExecuted: true, first: () => execution.triggered![0] };
      },
    }),
    getExecutionCancelSignal: () => undefined,
    addExecutionHints: ({ message }: { message: string }) => execution.hints.push(message),
    helpers: {
      httpRequest: request,
      httpRequestWithAuthentication: (_type: string, options: RequestOptions) =>
        request({
          ...options,
          headers: { ...options.headers, authorization: `Bearer ${credential.apiKey ?? ADMIN_KEY}` },
        }),
    },
  };
  const [output] = await node.execute.call(context);
  return output!;
}

interface RequestOptions {
  method: string;
  url: string;
  headers: Record<string, string>;
  body?: unknown;
  qs?: Record<string, string>;
  timeout: number;
}

/** As n8n's with `returnFullResponse` and `ignoreHttpStatusErrors`. */
async function request({ method, url, headers, body, qs, timeout }: RequestOptions) {
  const query = qs ? `?${new URLSearchParams(qs)}` : "";
  const answer = await send(url + query, { method, body, headers, withinMs: timeout });
  return { statusCode: answer.status, body: answer.body };
}

/** A parameter that is not shown for the others is not there, as in n8n: so the description itself is tested. */
function parameterOf(
  properties: readonly Property[],
  parameters: Record<string, unknown>,
  name: string,
  json: unknown,
): unknown {
  const isShown = ({ displayOptions }: Property) =>
    Object.entries(displayOptions?.show ?? {}).every(([other, values]) =>
      values.includes(parameterOf(properties, parameters, other, json)),
    );
  const property = properties.find((each) => each.name === name && isShown(each));
  if (!property) return undefined;
  const value = name in parameters ? parameters[name] : property.default;
  if (typeof value !== "string" || !value.startsWith("=")) return value;
  return evaluate(value, { $json: json });
}

export function evaluate(expression: string, variables: Record<string, unknown>): unknown {
  const pieces = /^=\{\{(.*)\}\}$/s.exec(expression);
  if (!pieces) {
    return expression
      .slice(1)
      .replace(/\{\{(.*?)\}\}/gs, (_, code: string) => String(runInNewContext(code, variables)));
  }
  const value = runInNewContext(pieces[1]!, variables);
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value));
}

export interface Received {
  headers: Record<string, string>;
  rawBody: Buffer;
}

/** What the webhook did: the items it started a run with, or what it refused with. */
export type Webhooked = { started: Item[] } | { status: number; body: Record<string, unknown> };

export async function receive(
  node: NodeType,
  { headers, rawBody }: Received,
  credential: Partial<Credential>,
  nowMs = Date.now(),
): Promise<Webhooked> {
  let answer: Webhooked | undefined;
  const response = {
    status: (status: number) => ({
      json(body: Record<string, unknown>) {
        answer = { status, body };
      },
    }),
  };
  const context = {
    getCredentials: async () => credential,
    getRequestObject: () => ({ rawBody, readRawBody: async () => {} }),
    getResponseObject: () => response,
    getHeaderData: () => headers,
    getBodyData: () => JSON.parse(rawBody.toString()),
  };
  const { workflowData, noWebhookResponse } = await at(nowMs, () => node.webhook.call(context));
  if (workflowData) return { started: workflowData[0] };
  if (!answer || !noWebhookResponse) throw new Error("the webhook neither started nor answered");
  return answer;
}

/** The node reads the machine's clock: for this call it shows the test's time. */
async function at<T>(nowMs: number, act: () => Promise<T>): Promise<T> {
  const { now } = Date;
  Date.now = () => nowMs;
  try {
    return await act();
  } finally {
    Date.now = now;
  }
}

/** Owns the calls to the orchestrator: with which key, how often again, and what a refusal is in n8n. Decides nothing else. */
import {
  type IDataObject,
  type IExecuteFunctions,
  type IHttpRequestMethods,
  type IHttpRequestOptions,
  type JsonObject,
  NodeApiError,
  NodeOperationError,
  sleep,
} from "n8n-workflow";
import { isRun, type Run } from "./message.ts";

export const CREDENTIAL = "masterOrchestratorApi";
const TRIGGER = ".masterOrchestratorTrigger";
/** How long a call is tried again while nobody answers, unless told. */
const PATIENCE_SECONDS = 30;
const MAX_PAUSE_MS = 15_000;
const TIMEOUT_MS = 30_000;

export interface Call {
  method: IHttpRequestMethods;
  /** Absolute with a token; below the credential's URL without. */
  url: string;
  /** Of an attempt; without it the credential's key is used. */
  token?: string;
  body?: IDataObject;
  qs?: IDataObject;
  timeoutMs?: number;
  patienceSeconds?: number;
}

export interface Answer {
  status: number;
  body: IDataObject;
}

/**
 * What the orchestrator answered, whatever its status. Where nobody answers, or only for now, it is asked again at growing
 * intervals until its patience is at an end. Throws when there was no answer at all.
 */
export async function call(context: IExecuteFunctions, request: Call): Promise<Answer> {
  const patienceMs = (request.patienceSeconds ?? PATIENCE_SECONDS) * 1000;
  let waitedMs = 0;
  for (let pauseMs = 1000; ; pauseMs = Math.min(pauseMs * 2, MAX_PAUSE_MS)) {
    const answer = await send(context, request);
    if ("status" in answer && !isPassing(answer)) return answer;
    const isOver = waitedMs + pauseMs > patienceMs || context.getExecutionCancelSignal()?.aborted === true;
    if (isOver) {
      if ("status" in answer && Object.keys(answer.body).length > 0) return answer;
      throw new NodeOperationError(context.getNode(), "The orchestrator did not answer", {
        description: `${request.method} ${request.url}: ${"status" in answer ? `status ${answer.status}` : answer.error}. Is it running, and can n8n reach that address?`,
      });
    }
    await sleep(pauseMs);
    waitedMs += pauseMs;
  }
}

/** A proxy's page in place of an answer, or a server that asks to come again. */
function isPassing({ status, body }: Answer): boolean {
  return [408, 425, 500, 502, 503, 504].includes(status) || Object.keys(body).length === 0;
}

async function send(context: IExecuteFunctions, request: Call): Promise<Answer | { error: string }> {
  const options: IHttpRequestOptions = {
    method: request.method,
    url: request.token === undefined ? (await baseUrl(context)) + request.url : request.url,
    headers: request.token === undefined ? {} : { authorization: `Bearer ${request.token}` },
    ...(request.body === undefined ? {} : { body: request.body }),
    ...(request.qs === undefined ? {} : { qs: request.qs }),
    json: true,
    returnFullResponse: true,
    ignoreHttpStatusErrors: true,
    disableFollowRedirect: true,
    timeout: request.timeoutMs ?? TIMEOUT_MS,
  };
  try {
    const { statusCode, body } =
      request.token === undefined
        ? await context.helpers.httpRequestWithAuthentication.call(context, CREDENTIAL, options)
        : await context.helpers.httpRequest(options);
    return { status: statusCode, body: typeof body === "object" && body !== null ? body : {} };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}

async function baseUrl(context: IExecuteFunctions): Promise<string> {
  const { url } = await context.getCredentials<{ url: string }>(CREDENTIAL);
  return url.replace(/\/+$/, "");
}

/** The answer's body if it went well, else the orchestrator's own words as an error of the node. */
export async function ask(context: IExecuteFunctions, request: Call, itemIndex = 0): Promise<IDataObject> {
  const answer = await call(context, request);
  if (answer.status < 300) return answer.body;
  throw refused(context, answer, itemIndex);
}

export function refused(context: IExecuteFunctions, answer: Answer, itemIndex = 0): NodeApiError {
  const { title, detail, hint } = answer.body;
  return new NodeApiError(context.getNode(), answer.body as JsonObject, {
    message: String(detail ?? title ?? `The orchestrator refused it with status ${answer.status}`),
    description: String(hint ?? ""),
    httpCode: String(answer.status),
    itemIndex,
  });
}

/** The attempt that this workflow works for: of its own trigger, or as the node's parameter `run` says. */
export function runOfWorkflow(context: IExecuteFunctions): Run {
  const given = context.getNodeParameter("runFrom", 0, "trigger") === "expression";
  const run = given ? parsed(context.getNodeParameter("run", 0, "")) : runOfTrigger(context);
  if (isRun(run)) return run;
  throw new NodeOperationError(
    context.getNode(),
    given ? "The field Run holds no run of the orchestrator" : "No run of the orchestrator was found",
    {
      description: given
        ? "Give it what the trigger put under orchestrator: an object with execution_id, attempt, callback_url and token."
        : 'Put a "Master Orchestrator Trigger" at the start of this workflow, or set "Run From" to an expression.',
    },
  );
}

/** The same, but null where the workflow was not started by the orchestrator. */
export function runIfAny(context: IExecuteFunctions): Run | null {
  const run = runOfTrigger(context);
  return isRun(run) ? run : null;
}

function runOfTrigger(context: IExecuteFunctions): unknown {
  const triggers = context
    .getParentNodes(context.getNode().name)
    .filter(({ type }) => type.endsWith(TRIGGER));
  for (const { name } of triggers) {
    const node = context.getWorkflowDataProxy(0).$(name);
    if (node.isExecuted) return node.first().json.orchestrator;
  }
  return undefined;
}

/** A JSON parameter: n8n gives it as text, or as what an expression made. */
export function parsed(value: unknown): unknown {
  if (typeof value !== "string") return value;
  try {
    return JSON.parse(value);
  } catch {
    return undefined;
  }
}

export function jsonParameter(context: IExecuteFunctions, name: string, itemIndex: number): unknown {
  return checkedJson(context, name, context.getNodeParameter(name, itemIndex, undefined), itemIndex);
}

export function checkedJson(
  context: IExecuteFunctions,
  name: string,
  value: unknown,
  itemIndex: number,
): unknown {
  if (value === undefined || value === "") return undefined;
  const json = parsed(value);
  if (json !== undefined) return json;
  throw new NodeOperationError(context.getNode(), `The field "${name}" is not valid JSON`, {
    description: "Quote names and texts with double quotes, or use an expression that gives an object.",
    itemIndex,
  });
}

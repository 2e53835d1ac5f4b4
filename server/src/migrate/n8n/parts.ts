/** Owns the nodes that a transformer adds: their JSON, as n8n 1.x and 2.x both take it. Knows no workflow. */
import { createHash } from "node:crypto";
import type { N8nNode, N8nTarget } from "./workflow.ts";

/** All names of added nodes begin so: they are told apart, and meet no name of the original. */
export const PREFIX = "Orchestrator: ";

export const NAMES = {
  start: `${PREFIX}start`,
  claim: `${PREFIX}claim`,
  notOurs: `${PREFIX}not ours`,
  input: `${PREFIX}input`,
  run: `${PREFIX}run`,
  entry: `${PREFIX}entry`,
  outcome: `${PREFIX}outcome`,
  failure: `${PREFIX}failure`,
  report: `${PREFIX}report`,
  acquire: `${PREFIX}acquire lock`,
  granted: `${PREFIX}lock granted?`,
  busy: `${PREFIX}lock held?`,
  skipped: `${PREFIX}skipped`,
  noLock: `${PREFIX}no lock`,
  release: `${PREFIX}release lock`,
  releaseFailed: `${PREFIX}release lock after failure`,
  failed: `${PREFIX}failed`,
  turn: `${PREFIX}whose turn?`,
  byPhase: `${PREFIX}by the phase?`,
  byOld: `${PREFIX}as before?`,
  asBefore: `${PREFIX}as before`,
  takenCareOf: `${PREFIX}taken care of`,
  noTurn: `${PREFIX}no turn`,
  lockedInput: `${PREFIX}input with the lock`,
  lockedRun: `${PREFIX}run with the lock`,
  note: `${PREFIX}note`,
  mark: `${PREFIX}original`,
} as const;

/** Credentials that have to be there in n8n, by name; none of their contents is ever written into a workflow. */
export const CREDENTIALS = {
  webhook: "Master Orchestrator webhook",
  api: "Master Orchestrator API",
  openai: "Master Orchestrator gateway (OpenAI)",
  gemini: "Master Orchestrator gateway (Gemini)",
} as const;

/** n8n finds a credential by its name where no id is given. */
export function byName(name: string): { id: null; name: string } {
  return { id: null, name };
}

/** The same id for the same node of the same workflow, each time: a UUID made of a hash. */
export function idOf(seed: string, name: string): string {
  const hex = createHash("sha256").update(`${seed}\n${name}`).digest("hex");
  const variant = ((Number.parseInt(hex[16]!, 16) & 3) | 8).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/** A node that is to be added, before it has its place. */
export interface Part {
  name: string;
  kind: string;
  version: number;
  parameters?: Record<string, unknown>;
  /** Settings of a node beside its parameters: onError, retryOnFail … */
  more?: Record<string, unknown>;
}

export const RETRIES = { retryOnFail: true, maxTries: 5, waitBetweenTries: 5000 } as const;

/** A node as it stands in a workflow; `seed` and `at` come from the workflow that it is added to. */
export function buildNode(part: Part, seed: string, at: [number, number], notes: string): N8nNode {
  return {
    parameters: part.parameters ?? {},
    type: `n8n-nodes-base.${part.kind}`,
    typeVersion: part.version,
    position: at,
    id: idOf(seed, part.name),
    name: part.name,
    notes,
    ...part.more,
  };
}

export function targets(...names: string[]): N8nTarget[] {
  return names.map((node) => ({ node, type: "main", index: 0 }));
}

/** Starts when the orchestrator calls, and answers at once, before anything of the run has happened. */
export function startPart(path: string, seed: string): Part {
  return {
    name: NAMES.start,
    kind: "webhook",
    version: 2,
    parameters: {
      httpMethod: "POST",
      path,
      authentication: "headerAuth",
      // Only $execution may stand here: $json answers 500 while the workflow runs.
      options: {
        responseCode: { values: { responseCode: "customCode", customCode: 202 } },
        responseData: "={{ JSON.stringify({ accepted: true, execution_id: $execution.id }) }}",
        responseHeaders: { entries: [{ name: "Content-Type", value: "application/json" }] },
      },
    },
    // Without one n8n puts the workflow's id before the path.
    more: {
      webhookId: idOf(seed, "webhook"),
      credentials: { httpHeaderAuth: byName(CREDENTIALS.webhook) },
    },
  };
}

const MESSAGE = `$('${NAMES.start}').first().json.body`;

/** A call with the token of the attempt, which is in the message and nowhere else. */
function attemptCall(name: string, url: string, body: string, more: Record<string, unknown>): Part {
  return {
    name,
    kind: "httpRequest",
    version: 4.2,
    parameters: {
      method: "POST",
      url,
      sendHeaders: true,
      headerParameters: {
        parameters: [{ name: "Authorization", value: `=Bearer {{ ${MESSAGE}.authentication.token }}` }],
      },
      sendBody: true,
      specifyBody: "json",
      jsonBody: `={{ ${body} }}`,
      options: { timeout: 30000 },
    },
    more: { ...RETRIES, ...more },
  };
}

/** Only the first run of an attempt goes on; a refusal leaves by the second output. */
export function claimPart(): Part {
  const url = `={{ ${MESSAGE}.callback_url.replace(/callback$/, 'claim') }}`;
  const body = `JSON.stringify({ attempt: ${MESSAGE}.attempt, claimant: 'n8n run ' + $execution.id })`;
  return attemptCall(NAMES.claim, url, body, { onError: "continueErrorOutput" });
}

export function reportPart(): Part {
  return attemptCall(NAMES.report, `={{ ${MESSAGE}.callback_url }}`, "JSON.stringify($json)", {});
}

export function codePart(name: string, jsCode: string, more: Record<string, unknown> = {}): Part {
  return { name, kind: "code", version: 2, parameters: { jsCode }, more };
}

export function noOpPart(name: string): Part {
  return { name, kind: "noOp", version: 1 };
}

/**
 * Runs this very workflow, from its entry on, as an execution of its own. So every end is seen, an error too,
 * however many ends there are. Also without any item at the end its first output has one.
 */
export function runPart(name: string = NAMES.run, trialId: string | null = null): Part {
  // A task of the share that goes by the next phase is run by the workflow that stands for it meanwhile.
  const chosen = `$json.orchestrator.tasks[0]?.payload?.by_phase === true ? '${trialId}' : $workflow.id`;
  const value = `={{ ${trialId === null ? "$workflow.id" : chosen} }}`;
  return {
    name,
    kind: "executeWorkflow",
    version: 1.1,
    parameters: { workflowId: { __rl: true, value, mode: "id" }, options: {} },
    more: { onError: "continueErrorOutput", alwaysOutputData: true },
  };
}

/** Version 1 passes on whatever it is given. */
export function entryPart(): Part {
  return { name: NAMES.entry, kind: "executeWorkflowTrigger", version: 1 };
}

export interface LockCall {
  /** Without a slash at its end. */
  orchestratorUrl: string;
  lock: string;
}

function lockCall(name: string, call: LockCall, action: string, body: string, timeoutMs: number): Part {
  return {
    name,
    kind: "httpRequest",
    version: 4.2,
    parameters: {
      method: "POST",
      url: `${call.orchestratorUrl}/api/v1/locks/${encodeURIComponent(call.lock)}/${action}`,
      authentication: "genericCredentialType",
      genericAuthType: "httpHeaderAuth",
      sendBody: true,
      specifyBody: "json",
      jsonBody: `={{ ${body} }}`,
      // A refusal is an answer: only where nobody answers the node fails, and tries again.
      options: { response: { response: { fullResponse: true, neverError: true } }, timeout: timeoutMs },
    },
    more: { ...RETRIES, executeOnce: true, credentials: { httpHeaderAuth: byName(CREDENTIALS.api) } },
  };
}

export function acquirePart(call: LockCall, leaseSeconds: number, waitSeconds: number): Part {
  const body = `JSON.stringify({ holder: 'n8n run ' + $execution.id, ttl_seconds: ${leaseSeconds}, wait_seconds: ${waitSeconds} })`;
  return lockCall(NAMES.acquire, call, "acquire", body, (waitSeconds + 30) * 1000);
}

export function releasePart(name: string, call: LockCall): Part {
  const lease = `$('${NAMES.acquire}').first().json.body.lease_id`;
  return lockCall(name, call, "release", `JSON.stringify({ lease_id: ${lease} })`, 30_000);
}

export function statusPart(name: string, status: number, seed: string): Part {
  return ifPart(name, seed, {
    leftValue: "={{ $json.statusCode }}",
    rightValue: status,
    operator: { type: "number", operation: "equals" },
  });
}

function ifPart(name: string, seed: string, condition: Record<string, unknown>): Part {
  return {
    name,
    kind: "if",
    version: 2,
    parameters: {
      conditions: {
        options: { caseSensitive: true, leftValue: "", typeValidation: "strict" },
        conditions: [{ id: idOf(seed, `${name} condition`), ...condition }],
        combinator: "and",
      },
      options: {},
    },
  };
}

/** Asks whose turn a firing is; by its second output where nobody answers. */
export function turnPart(orchestratorUrl: string, workflowType: string, clocks: readonly string[]): Part {
  const fired = clocks.map((name) => `$(${JSON.stringify(name)})`);
  const first = fired
    .map((node) => `(${node}.isExecuted ? ${node}.first().json.timestamp : null)`)
    .join(" ?? ");
  return {
    name: NAMES.turn,
    kind: "httpRequest",
    version: 4.2,
    parameters: {
      method: "POST",
      url: `${orchestratorUrl}/api/v1/migrations/${workflowType}/turns`,
      authentication: "genericCredentialType",
      genericAuthType: "httpHeaderAuth",
      sendBody: true,
      specifyBody: "json",
      jsonBody: `={{ JSON.stringify({ fired_at: ${first} ?? $now.toISO(), n8n_execution_id: $execution.id }) }}`,
      options: { timeout: 10000 },
    },
    more: {
      ...RETRIES,
      executeOnce: true,
      onError: "continueErrorOutput",
      credentials: { httpHeaderAuth: byName(CREDENTIALS.api) },
    },
  };
}

/** Whether the turn is of this way. */
export function choicePart(name: string, way: string, seed: string): Part {
  return ifPart(name, seed, {
    leftValue: "={{ $json.way }}",
    rightValue: way,
    operator: { type: "string", operation: "equals" },
  });
}

export function stopPart(name: string, errorMessage: string): Part {
  return { name, kind: "stopAndError", version: 1, parameters: { errorMessage } };
}

export function stickyPart(content: string): Part {
  return {
    name: NAMES.note,
    kind: "stickyNote",
    version: 1,
    parameters: { content, height: 320, width: 520 },
  };
}

/** Owns speaking to n8n's public API: what is asked, what its answers mean. Decides nothing, keeps nothing, logs no key. */
import { Problem } from "@master-orchestrator/contract";
import type { Outbound, OutboundMethod } from "#outbound/client.ts";
import { MAX_EXPORT_BYTES } from "./n8n/workflow.ts";

export interface N8nConnection {
  url: string;
  apiKey: string;
}

/** A workflow as n8n gives it, and what tells its versions apart. */
export interface HeldWorkflow {
  id: string;
  name: string;
  active: boolean;
  archived: boolean;
  /** What we keep and put back: id, name, nodes, connections, settings, in this order. */
  content: Uint8Array;
  versionId: string | null;
  /** What runs is an older version than what was read. */
  hasDraft: boolean;
  createdAtMs: number | null;
}

export interface N8nExecution {
  id: string;
  mode: string;
  status: string;
  startedAtMs: number;
  endedAtMs: number | null;
}

/** n8n did not answer, or not as n8n. Whatever was asked may be asked again later. */
export class Unreachable extends Error {
  override readonly name = "Unreachable";
}

/** n8n answered no: asking again changes nothing. */
export class Refused extends Error {
  override readonly name = "Refused";
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

type Answer = Record<string, unknown>;

export interface N8nApi {
  workflow(id: string): Promise<HeldWorkflow>;
  workflows(): Promise<HeldWorkflow[]>;
  /** Replaces the workflow and publishes it where it is active; what n8n holds then. */
  put(id: string, content: Uint8Array): Promise<HeldWorkflow>;
  create(content: Uint8Array): Promise<HeldWorkflow>;
  publish(id: string, versionId: string | null): Promise<void>;
  /** Archived at least, which takes it out of force. */
  remove(id: string): Promise<void>;
  /** Newest first, those that began after a moment; at most a thousand. Running ones too. */
  executions(workflowId: string, sinceMs: number): Promise<N8nExecution[]>;
  /** With what each node brought; null where n8n does not have it (any more). */
  execution(id: string): Promise<(N8nExecution & { data: unknown }) | null>;
  /** False where it has ended already, or is gone. */
  stop(executionId: string): Promise<boolean>;
  createCredential(credential: { name: string; type: string; data: Answer }): Promise<string>;
}

/** A busy n8n takes its time; what it has not answered by then may still be done. */
const TIMEOUT_MS = 45_000;
const PAGE = 100;
const MOST_PAGES = 20;
const RUNNING = ["running", "waiting"];

export function openN8n(outbound: Outbound, connection: N8nConnection): N8nApi {
  const call = async (method: OutboundMethod, path: string, body?: unknown): Promise<Answer> => {
    const answer = await ask(outbound, connection, method, path, body);
    if (answer === null) throw new Refused(404, `n8n does not know ${path}`);
    return answer;
  };
  const held = async (id: string) => heldOf(await call("GET", `/workflows/${encodeURIComponent(id)}`));
  const publish = async (id: string, versionId: string | null) => {
    await call(
      "POST",
      `/workflows/${encodeURIComponent(id)}/publish`,
      versionId === null ? {} : { versionId },
    );
  };
  return {
    workflow: held,
    publish,
    async workflows() {
      return (await pages(call, "/workflows?")).map(heldOf);
    },
    async put(id, content) {
      await call("PUT", `/workflows/${encodeURIComponent(id)}`, writable(content));
      const kept = await held(id);
      // n8n publishes what it is given for an active workflow; a version that does not is asked to.
      if (!kept.active || !kept.hasDraft) return kept;
      await publish(id, kept.versionId);
      return await held(id);
    },
    async create(content) {
      return heldOf(await call("POST", "/workflows", writable(content)));
    },
    async remove(id) {
      const path = `/workflows/${encodeURIComponent(id)}`;
      await ask(outbound, connection, "POST", `${path}/archive`);
      // n8n takes its triggers down later, and refuses to delete it until then: archived is gone enough.
      await ask(outbound, connection, "DELETE", path).catch((error) => {
        if (!(error instanceof Refused)) throw error;
      });
    },
    async executions(workflowId, sinceMs) {
      const of = `workflowId=${encodeURIComponent(workflowId)}&includeData=false`;
      const until = (page: Answer[]) => page.some((each) => executionOf(each).startedAtMs < sinceMs);
      const ended = await pages(call, `/executions?${of}&`, until);
      // A list that names no status leaves out those that run.
      const open = await Promise.all(
        RUNNING.map((status) => pages(call, `/executions?${of}&status=${status}&`, () => true)),
      );
      const found = new Map([...ended, ...open.flat()].map((each) => [String(each.id), executionOf(each)]));
      return [...found.values()].filter((each) => each.startedAtMs >= sinceMs);
    },
    async execution(id) {
      const path = `/executions/${encodeURIComponent(id)}?includeData=true`;
      const answer = await ask(outbound, connection, "GET", path);
      return answer === null ? null : { ...executionOf(answer), data: answer.data };
    },
    async stop(executionId) {
      try {
        await call("POST", `/executions/${encodeURIComponent(executionId)}/stop`);
        return true;
      } catch (error) {
        if (error instanceof Refused && error.status !== 401 && error.status !== 403) return false;
        throw error;
      }
    },
    async createCredential(credential) {
      const { id } = await call("POST", "/credentials", credential);
      return String(id);
    },
  };
}

/** Null for what n8n does not have. Throws Unreachable or Refused. */
async function ask(
  outbound: Outbound,
  { url, apiKey }: N8nConnection,
  method: OutboundMethod,
  path: string,
  body?: unknown,
): Promise<Answer | null> {
  const headers = { "x-n8n-api-key": apiKey, accept: "application/json", "content-type": "application/json" };
  const text = body === undefined ? {} : { body: JSON.stringify(body) };
  const limits = { own: true, timeoutMs: TIMEOUT_MS, maxResponseBytes: MAX_EXPORT_BYTES };
  let answer: Awaited<ReturnType<Outbound["send"]>>;
  try {
    answer = await outbound.send(method, `${url}/api/v1${path}`, { headers, ...text, ...limits });
  } catch (error) {
    throw new Unreachable(`n8n does not answer: ${error instanceof Error ? error.message : String(error)}`);
  }
  const value = read(answer.body);
  // A booting n8n answers 200 with a page, and 404 with one.
  if (value === null && (answer.status < 400 || answer.status === 404))
    throw new Unreachable("n8n is starting, or what answers is no n8n");
  if (answer.status === 404) return null;
  const message = typeof value?.message === "string" ? value.message : "no reason";
  if (answer.status >= 500 || answer.status === 429) {
    throw new Unreachable(`n8n answered HTTP ${answer.status}: ${message}`);
  }
  if (answer.status >= 400)
    throw new Refused(answer.status, `n8n refused (HTTP ${answer.status}): ${message}`);
  return value ?? {};
}

function read(body: Uint8Array): Answer | null {
  if (body.byteLength === 0) return {};
  try {
    const value = JSON.parse(new TextDecoder().decode(body));
    return typeof value === "object" && value !== null ? (value as Answer) : null;
  } catch {
    return null;
  }
}

async function pages(
  call: (method: OutboundMethod, path: string) => Promise<Answer>,
  path: string,
  enough: (page: Answer[]) => boolean = () => false,
): Promise<Answer[]> {
  const found: Answer[] = [];
  let cursor: string | null = null;
  for (let i = 0; i < MOST_PAGES; i++) {
    const from: string = cursor === null ? "" : `&cursor=${encodeURIComponent(cursor)}`;
    const page = await call("GET", `${path}limit=${PAGE}${from}`);
    const data = (page.data ?? []) as Answer[];
    found.push(...data);
    cursor = typeof page.nextCursor === "string" ? page.nextCursor : null;
    if (cursor === null || enough(data)) break;
  }
  return found;
}

function heldOf(answer: Answer): HeldWorkflow {
  const { id, name, active, nodes, connections, settings, versionId, activeVersionId, createdAt } = answer;
  if (typeof id !== "string" || typeof name !== "string" || !Array.isArray(nodes)) {
    throw new Unreachable("what answers is no n8n: there is no workflow in its answer");
  }
  const content = { id, name, nodes, connections, settings: settings ?? {} };
  const created = Date.parse(String(createdAt));
  return {
    id,
    name,
    active: active === true,
    archived: answer.isArchived === true,
    content: new TextEncoder().encode(JSON.stringify(content)),
    versionId: typeof versionId === "string" ? versionId : null,
    hasDraft: Boolean(activeVersionId && versionId && activeVersionId !== versionId),
    createdAtMs: Number.isNaN(created) ? null : created,
  };
}

/** n8n gives out settings of its own that it does not take back; settings are merged, so they stay. */
function writable(content: Uint8Array): Answer {
  const { name, nodes, connections, settings } = JSON.parse(new TextDecoder().decode(content));
  const { binaryMode: _, timeSavedMode: __, ...kept } = settings ?? {};
  return { name, nodes, connections, settings: kept };
}

function executionOf(answer: Answer): N8nExecution {
  const started = Date.parse(String(answer.startedAt ?? answer.createdAt ?? ""));
  const ended = Date.parse(String(answer.stoppedAt));
  const status = answer.status ?? (answer.finished === true ? "success" : "error");
  return {
    id: String(answer.id),
    mode: String(answer.mode),
    status: String(status),
    // One that is queued has not begun: it counts from now on, as the youngest.
    startedAtMs: Number.isNaN(started) ? Number.MAX_SAFE_INTEGER : started,
    endedAtMs: Number.isNaN(ended) ? null : ended,
  };
}

/** n8n's words for an operator. */
export function toldProblem(error: unknown): Problem {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof Refused) {
    const scopes =
      "The API key needs the scopes workflow:list, read, update, activate, create, delete, execution:list, read, stop and credential:create, update.";
    const hint = error.status === 404 ? "Check the workflow's id: it stands in its address in n8n." : scopes;
    return new Problem(error.status === 404 ? "not_found" : "conflict", message, hint);
  }
  return new Problem("unavailable", message, "Check N8N_URL, and that n8n runs.");
}

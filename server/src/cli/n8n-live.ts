/** Owns one workflow of a live n8n over its public API: read, replaced, verified. Never overwrites an edit it has not seen. */
import { CREDENTIALS } from "#migrate/n8n/parts.ts";
import { type Api, openApi, path } from "./api.ts";
import { checkedUrl } from "./connection.ts";
import { Failure, Refusal, UsageError } from "./failure.ts";
import type { Options } from "./session.ts";
import type { Terminal } from "./terminal.ts";

export interface LiveWorkflow {
  id: string;
  active: boolean;
  /** What transform takes, as bytes: name, nodes, connections and settings, and what tells whose they are. */
  bytes: Uint8Array;
  /** Changes with every edit. */
  version: string;
  /** What runs is an older version than what was read. */
  hasDraft: boolean;
}

export interface LiveN8n {
  read(id: string): Promise<LiveWorkflow>;
  readAll(): Promise<LiveWorkflow[]>;
  /**
   * Puts a workflow in the place of `seen`; false where n8n keeps its nodes or connections in other words. Throws where it
   * was edited meanwhile, or a credential of ours is missing; nothing is changed then.
   */
  replace(seen: LiveWorkflow, bytes: Uint8Array): Promise<boolean>;
}

/** The n8n of `--url` or N8N_URL; null where the command is about files. Throws a UsageError where something is missing. */
export function findLive(terminal: Terminal, options: Options, hasFile: boolean): LiveN8n | null {
  const { env } = terminal;
  const given = ["url", "apiKey", "workflow"].some((name) => options[name] !== undefined);
  if (hasFile) {
    if (given)
      throw new UsageError(
        "a file and a live n8n exclude each other",
        "leave out --url, --api-key and --workflow",
      );
    return null;
  }
  const url = (options.url as string | undefined) ?? (env.N8N_URL?.trim() || undefined);
  if (!given && url === undefined) return null;
  if (url === undefined) throw new UsageError("which n8n?", "give --url, or set N8N_URL");
  const key = (options.apiKey as string | undefined) ?? env.N8N_API_KEY?.trim();
  if (!key || !/^[\x21-\x7e]+$/.test(key)) {
    throw new UsageError("no API key of n8n", "give --api-key or set N8N_API_KEY (n8n: Settings → n8n API)");
  }
  const source = options.apiKey === undefined ? "N8N_API_KEY" : "--api-key";
  const address = checkedUrl(url, options.url === undefined ? "N8N_URL" : "--url");
  return openLive(openApi({ url: address, key, keySource: source, service: "n8n" }, terminal.interrupt));
}

type Answer = Record<string, unknown>;
const PAGE = 100;
const MOST_WORKFLOWS = 2_000;

function openLive(api: Api): LiveN8n {
  const call = async (method: string, at: string, request = {}): Promise<Answer> => {
    try {
      return (await api<Answer | null>(method, at, request)) ?? {};
    } catch (error) {
      throw error instanceof Refusal ? told(error) : error;
    }
  };
  const read = async (id: string) => liveOf(await call("GET", path`/api/v1/workflows/${id}`));
  const put = async (id: string, bytes: Uint8Array) => {
    const { name, nodes, connections, settings } = contentOf(bytes);
    const body = { name, nodes, connections, settings: writable(settings) };
    const answer = await call("PUT", path`/api/v1/workflows/${id}`, { body });
    // n8n publishes what it is given for an active workflow; a version that does not is asked to.
    const { active, versionId, activeVersionId } = answer;
    if (active === true && activeVersionId !== undefined && versionId !== activeVersionId) {
      await call("POST", path`/api/v1/workflows/${id}/publish`, { body: { versionId } });
    }
  };
  return {
    read,
    async readAll() {
      const found: LiveWorkflow[] = [];
      let cursor: string | undefined;
      do {
        const page = await call("GET", "/api/v1/workflows", { query: { limit: PAGE, cursor } });
        found.push(...((page.data ?? []) as Answer[]).map(liveOf));
        cursor = (page.nextCursor as string | null) ?? undefined;
      } while (cursor !== undefined && found.length < MOST_WORKFLOWS);
      return found;
    },
    async replace(seen, bytes) {
      if (seen.hasDraft) {
        throw new Failure(
          "the workflow has a draft that is not published: what runs is not what would be changed",
          "publish or discard it in n8n first",
        );
      }
      if ((await read(seen.id)).version !== seen.version) {
        throw new Failure(
          "the workflow was edited in n8n meanwhile; nothing was changed",
          "run the command again",
        );
      }
      await put(seen.id, bytes);
      const kept = await read(seen.id);
      const missing = missingCredentials(kept.bytes);
      if (missing.length === 0) return isSame(kept.bytes, bytes);
      await put(seen.id, seen.bytes);
      throw new Failure(
        `n8n has no credential ${missing.map((name) => `"${name}"`).join(", ")}; the workflow is as it was`,
        "create it first: orchestrator n8n transform FILE tells what belongs into it",
      );
    },
  };
}

/** n8n's refusals have a `message` alone. */
function told({ status, body }: Refusal): Failure {
  const message = (body as { message?: unknown } | null)?.message;
  const hints: Record<number, string> = {
    401: "check --api-key or N8N_API_KEY",
    403: "the API key needs the scopes workflow:read, workflow:list, workflow:update and workflow:activate",
    404: "check --workflow: the id stands in the address of the workflow's page",
  };
  return new Failure(`n8n refused (HTTP ${status}): ${message ?? "no reason"}`, hints[status] ?? null);
}

function liveOf(answer: Answer): LiveWorkflow {
  const { id, name, active, nodes, connections, settings } = answer;
  if (typeof id !== "string" || !Array.isArray(nodes)) {
    throw new Failure("what answers is no n8n: there is no workflow in its answer", "check --url or N8N_URL");
  }
  const { versionId, activeVersionId, updatedAt } = answer;
  const content = { id, name, active, nodes, connections, settings: settings ?? {} };
  return {
    id,
    active: active === true,
    bytes: new TextEncoder().encode(JSON.stringify(content)),
    version: JSON.stringify([versionId ?? null, updatedAt ?? null]),
    hasDraft: Boolean(activeVersionId && versionId && activeVersionId !== versionId),
  };
}

interface Content {
  name: string;
  nodes: { credentials?: Record<string, { id?: unknown; name?: unknown } | null> }[];
  connections: unknown;
  settings?: Record<string, unknown>;
}

function contentOf(bytes: Uint8Array): Content {
  const value = JSON.parse(new TextDecoder().decode(bytes)) as Content | Content[];
  return Array.isArray(value) ? value[0]! : value;
}

/** n8n gives out settings of its own that it does not take back; settings are merged, so they stay. */
function writable(settings: Record<string, unknown> = {}): Record<string, unknown> {
  const { binaryMode: _, timeSavedMode: __, ...kept } = settings;
  return kept;
}

function isSame(kept: Uint8Array, given: Uint8Array): boolean {
  const text = (bytes: Uint8Array) => JSON.stringify([contentOf(bytes).nodes, contentOf(bytes).connections]);
  return text(kept) === text(given);
}

/** Of ours only. n8n fills in the id of a credential that it finds by its name. */
function missingCredentials(bytes: Uint8Array): string[] {
  const ours = new Set<unknown>(Object.values(CREDENTIALS));
  const used = contentOf(bytes).nodes.flatMap((node) => Object.values(node.credentials ?? {}));
  const names = used.filter((credential) => ours.has(credential?.name) && !credential?.id);
  return [...new Set(names.map((credential) => String(credential?.name)))];
}

/** Owns what is known of n8n's node types: which start a run, call a model, or speak to a database. Pure. */
import { kindOf, type N8nNode, type N8nWorkflow, objectAt } from "./workflow.ts";

export type TriggerKind =
  | "schedule"
  | "manual"
  | "webhook"
  | "form"
  | "chat"
  | "sub_workflow"
  | "error"
  | "event";

const TRIGGER_KINDS: Readonly<Record<string, TriggerKind>> = {
  scheduleTrigger: "schedule",
  cron: "schedule",
  interval: "schedule",
  manualTrigger: "manual",
  start: "manual",
  webhook: "webhook",
  formTrigger: "form",
  chatTrigger: "chat",
  manualChatTrigger: "chat",
  mcpTrigger: "chat",
  executeWorkflowTrigger: "sub_workflow",
  errorTrigger: "error",
  // Named before there was a custom of names.
  emailReadImap: "event",
};

/** What starts a run by this node; null for a node that starts none. */
export function triggerKind(node: N8nNode): TriggerKind | null {
  const kind = kindOf(node);
  return TRIGGER_KINDS[kind] ?? (/trigger$/i.test(kind) ? "event" : null);
}

export function isDisabled(node: N8nNode): boolean {
  return node.disabled === true;
}

/** Whether whoever calls this trigger waits for what the run brings. */
export function isAwaited(node: N8nNode): boolean {
  const kind = triggerKind(node);
  if (kind === "form" || kind === "chat" || kind === "sub_workflow") return true;
  return kind === "webhook" && (node.parameters?.responseMode ?? "onReceived") !== "onReceived";
}

export type Provider = "openai" | "gemini" | "other";

export interface AiUse {
  node: string;
  provider: Provider;
  /** How many items it handles is known only when it runs: one call each at least. */
  via: "node" | "http";
  /** Null: it can be sent through the gateway as it is; else why not. */
  obstacle: string | null;
}

/** Credentials by which n8n's own nodes find their provider; their address can be another. */
export const AI_CREDENTIALS: Readonly<Record<string, Exclude<Provider, "other">>> = {
  openAiApi: "openai",
  googlePalmApi: "gemini",
};

const REROUTABLE = new Set(["openAi", "lmChatOpenAi", "googleGemini", "lmChatGoogleGemini"]);
const AI_NODE =
  /^(openAi|lm[A-Z]\w*|embeddings\w*|anthropic|googleGemini|mistralAi|ollama|perplexity|deepSeek)$/;

const HOSTS: readonly (readonly [host: string, provider: Provider])[] = [
  ["api.openai.com", "openai"],
  ["generativelanguage.googleapis.com", "gemini"],
  ["api.anthropic.com", "other"],
  ["api.mistral.ai", "other"],
  ["api.perplexity.ai", "other"],
  ["openrouter.ai", "other"],
  ["api.groq.com", "other"],
  ["api.deepseek.com", "other"],
  ["api.cohere.ai", "other"],
];

/** The calls of models that a workflow makes, disabled nodes left out. */
export function aiUses(workflow: N8nWorkflow): AiUse[] {
  return workflow.nodes.flatMap((node) => (isDisabled(node) ? [] : (aiUse(node) ?? [])));
}

function aiUse(node: N8nNode): AiUse | null {
  const kind = kindOf(node);
  if (kind === "httpRequest") return httpUse(node);
  if (kind === "code" || kind === "function" || kind === "functionItem") return codeUse(node);
  if (!AI_NODE.test(kind)) return null;
  const credential = Object.keys(node.credentials ?? {}).find((name) => AI_CREDENTIALS[name]);
  const provider = credential === undefined ? providerOf(kind) : AI_CREDENTIALS[credential]!;
  return { node: node.name, provider, via: "node", obstacle: nodeObstacle(node, kind, credential) };
}

function providerOf(kind: string): Provider {
  if (/azure/i.test(kind)) return "other";
  if (/openai/i.test(kind)) return "openai";
  return /gemini/i.test(kind) ? "gemini" : "other";
}

function nodeObstacle(node: N8nNode, kind: string, credential: string | undefined): string | null {
  if (!REROUTABLE.has(kind)) return `n8n gives the ${kind} node no other address by its credential`;
  if (credential === undefined) return "it has no credential of OpenAI or Gemini that could be exchanged";
  const options = objectAt(node.parameters, "options");
  return typeof options.baseURL === "string" && options.baseURL !== ""
    ? "its option baseURL sends it to a fixed address"
    : null;
}

/** The provider of a fixed address, with what stands before its path; null for any other address. */
export function providerHost(url: string): { host: string; provider: Provider } | null {
  const [, host] = /^=?\s*https:\/\/([a-z0-9.-]+)(?:[/?#]|$)/i.exec(url) ?? [];
  const found = HOSTS.find(([name]) => name === host?.toLowerCase());
  return found ? { host: found[0], provider: found[1] } : null;
}

function httpUse(node: N8nNode): AiUse | null {
  const url = node.parameters?.url;
  const found = typeof url === "string" ? providerHost(url) : null;
  if (!found) return null;
  const { provider } = found;
  const about = { node: node.name, provider, via: "http" } as const;
  return { ...about, obstacle: httpObstacle(node, provider, String(url)) };
}

function httpObstacle(node: N8nNode, provider: Provider, url: string): string | null {
  if (provider === "other") return "the gateway knows no such provider";
  if ((node.typeVersion ?? 1) < 3) return "an HTTP Request node older than version 3";
  if (provider === "openai" && !/^=?\s*https:\/\/[^/]+\/v1\//i.test(url)) return "its path is not below /v1";
  const { authentication, nodeCredentialType, genericAuthType } = node.parameters ?? {};
  const predefined = authentication === "predefinedCredentialType" && AI_CREDENTIALS[`${nodeCredentialType}`];
  if (predefined === provider) return null;
  if (authentication === "genericCredentialType") {
    const header = genericAuthType === "httpHeaderAuth" || genericAuthType === "httpBearerAuth";
    if (header && provider === "openai") return null;
  }
  return "its key stands in the node or in a credential of another kind: choose the provider's credential type in it";
}

function codeUse(node: N8nNode): AiUse | null {
  const code = `${node.parameters?.jsCode ?? ""}${node.parameters?.functionCode ?? ""}${node.parameters?.pythonCode ?? ""}`;
  const found = HOSTS.find(([host]) => code.includes(host));
  if (!found) return null;
  return { node: node.name, provider: found[1], via: "http", obstacle: "it calls the provider from code" };
}

const DATABASES =
  /^(postgres|mySql|microsoftSql|mongoDb|redis|snowflake|questDb|crateDb|timescaleDb|supabase|oracleDb|elasticsearch|googleBigQuery|airtable|nocoDb|baserow|vectorStore(PGVector|Supabase|MongoDBAtlas|Redis)|memory(Postgres|Redis|MongoDb)Chat|dataTable)(Tool)?$/;

/** Names of the enabled nodes that speak to a database. */
export function databaseNodes(workflow: N8nWorkflow): string[] {
  return workflow.nodes
    .filter((node) => !isDisabled(node) && DATABASES.test(kindOf(node)))
    .map((node) => node.name);
}

/** Whether a node does nothing, and only says something. */
export function isNote(node: N8nNode): boolean {
  return kindOf(node) === "stickyNote";
}

/** Owns pointing a workflow's calls of models at the gateway, where that is safe, and naming the others. Pure. */
import { Problem } from "@master-orchestrator/contract";
import { AI_CREDENTIALS, type AiUse, aiUses } from "./kinds.ts";
import { byName, CREDENTIALS } from "./parts.ts";
import type { N8nNode, N8nWorkflow } from "./workflow.ts";

/** The nodes with what was exchanged in them, and what a person has to do. Throws a Problem where nothing can be. */
export function rerouteAi(
  workflow: N8nWorkflow,
  orchestratorUrl: string,
): { nodes: N8nNode[]; notes: string[] } {
  const uses = aiUses(workflow);
  const possible = uses.filter((use) => use.obstacle === null);
  const left = uses.filter((use) => use.obstacle !== null);
  if (possible.length === 0) {
    const why = left.map((use) => `"${use.node}": ${use.obstacle}`).join("; ") || "it calls no model";
    throw new Problem(
      "validation_failed",
      `"${workflow.name}" has no call of a model that could go through the gateway: ${why}`,
      "Use --phase basic; or correct what is named, and transform it again.",
    );
  }
  const byNode = new Map(possible.map((use) => [use.node, use]));
  const nodes = workflow.nodes.map((node) => {
    const use = byNode.get(node.name);
    return use ? rerouted(node, use, orchestratorUrl) : node;
  });
  return { nodes, notes: [...credentialNotes(nodes, orchestratorUrl), ...left.map(leftNote)] };
}

function leftNote(use: AiUse): string {
  return `"${use.node}" still calls its provider directly (${use.obstacle}): count its calls with POST /api/v1/permits and /api/v1/usage.`;
}

const BASES = { openai: "/ai/openai/v1", gemini: "/ai/gemini" } as const;

function rerouted(node: N8nNode, { provider, via }: AiUse, orchestratorUrl: string): N8nNode {
  const credentials = Object.fromEntries(
    Object.entries(node.credentials ?? {}).map(([kind, value]) => {
      const of = AI_CREDENTIALS[kind];
      if (of) return [kind, byName(CREDENTIALS[of])];
      if (via === "http" && (kind === "httpHeaderAuth" || kind === "httpBearerAuth")) {
        return ["httpHeaderAuth", byName(CREDENTIALS.api)];
      }
      return [kind, value];
    }),
  );
  if (via === "node" || provider === "other") return { ...node, credentials };
  const url = String(node.parameters?.url);
  const from = provider === "openai" ? /https:\/\/[^/]+\/v1/i : /https:\/\/[^/?#]+/i;
  const parameters: Record<string, unknown> = {
    ...node.parameters,
    url: url.replace(from, () => `${orchestratorUrl}${BASES[provider]}`),
  };
  if (parameters.genericAuthType === "httpBearerAuth") parameters.genericAuthType = "httpHeaderAuth";
  return { ...node, parameters, credentials };
}

function credentialNotes(nodes: readonly N8nNode[], orchestratorUrl: string): string[] {
  const used = new Set(
    nodes.flatMap((node) =>
      Object.values(node.credentials ?? {}).map((value) => (value as { name?: unknown } | null)?.name),
    ),
  );
  const key = "a worker key (orchestrator keys create --name n8n --role worker)";
  const perRun = `the expression =KEY.{{ $execution.id }} with ${key} as KEY, so that each call is attributed to its run`;
  const notes: [name: string, text: string][] = [
    [CREDENTIALS.openai, `"OpenAI": base URL ${orchestratorUrl}${BASES.openai}, API key ${perRun}`],
    [
      CREDENTIALS.gemini,
      `"Google Gemini(PaLM) Api": host ${orchestratorUrl}${BASES.gemini}, API key ${perRun}`,
    ],
    [CREDENTIALS.api, `"Header Auth": name Authorization, value "Bearer " and ${key}`],
  ];
  return notes
    .filter(([name]) => used.has(name))
    .map(([name, text]) => `In n8n create a credential named "${name}" of the kind ${text}.`);
}

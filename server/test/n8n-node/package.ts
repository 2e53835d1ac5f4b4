/** Owns the built node package in a test: compiles what is published, and loads it with a stand-in for n8n. */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createRequire, registerHooks } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

export const PACKAGE = fileURLToPath(new URL("../../../n8n-node/", import.meta.url));
const TSC = fileURLToPath(new URL("../../../node_modules/typescript/bin/tsc", import.meta.url));
const STAND_IN = new URL("./n8n-workflow.ts", import.meta.url).href;

export interface Property {
  name: string;
  type: string;
  default: unknown;
  required?: boolean;
  displayOptions?: { show?: Record<string, unknown[]> };
  options?: { name: string; value?: unknown }[];
}

export interface NodeType {
  description: {
    name: string;
    properties: Property[];
    webhooks?: Record<string, string>[];
    [key: string]: unknown;
  };
  // biome-ignore lint/suspicious/noExplicitAny: called with stand-ins for n8n's contexts
  execute(this: any): Promise<{ json: any; pairedItem?: unknown }[][]>;
  // biome-ignore lint/suspicious/noExplicitAny: as above
  webhook(this: any): Promise<any>;
  // biome-ignore lint/suspicious/noExplicitAny: as above
  webhookMethods: { default: Record<string, (this: any) => Promise<boolean>> };
}

export interface NodePackage {
  manifest: { name: string; keywords: string[]; n8n: Record<string, unknown>; [key: string]: unknown };
  trigger: NodeType;
  action: NodeType;
  // biome-ignore lint/suspicious/noExplicitAny: looked into by tests
  credential: any;
  remove(): Promise<void>;
}

/** Builds with the project's own compiler; what is loaded is JavaScript as n8n would load it, by the paths of the manifest. */
export async function buildPackage(): Promise<NodePackage> {
  const folder = await mkdtemp(join(tmpdir(), "n8n-node-"));
  const project = join(PACKAGE, "types/tsconfig.json");
  await promisify(execFile)(process.execPath, [TSC, "-p", project, "--outDir", join(folder, "dist")]);
  const manifest = JSON.parse(await readFile(join(PACKAGE, "package.json"), "utf8"));
  registerHooks({
    resolve: (specifier, context, next) =>
      specifier === "n8n-workflow" ? { url: STAND_IN, shortCircuit: true } : next(specifier, context),
  });
  const require = createRequire(import.meta.url);
  const load = (path: string) => {
    const [Class] = Object.values(require(join(folder, path))) as (new () => unknown)[];
    return new Class!();
  };
  const [trigger, action] = manifest.n8n.nodes.map(load);
  const credential = load(manifest.n8n.credentials[0]);
  return { manifest, trigger, action, credential, remove: () => rm(folder, { recursive: true }) };
}

/**
 * Owns the check of this package by n8n's own tools: its linter (@n8n/node-cli) and its types (n8n-workflow). They are 700 MB, so
 * they are installed beside the project, once, when somebody asks; never with it.
 */
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const TOOLS = { "@n8n/node-cli": "0.48.3", "n8n-workflow": "2.41.0" };
const HERE = dirname(fileURLToPath(import.meta.url));
const ROOT = dirname(HERE);
const COPY = join(ROOT, "node_modules/.cache/n8n-node");
const INSTALLED = join(COPY, "node_modules");

/** Stops at the first that fails, with its own exit code. */
function run(command, args) {
  const { status } = spawnSync(command, args, { cwd: COPY, stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}

if (!existsSync(join(INSTALLED, "@n8n/node-cli")) || !existsSync(join(INSTALLED, "n8n-workflow"))) {
  rmSync(COPY, { recursive: true, force: true });
  mkdirSync(COPY, { recursive: true });
  writeFileSync(join(COPY, "package.json"), JSON.stringify({ private: true }));
  const packages = Object.entries(TOOLS).map(([name, version]) => `${name}@${version}`);
  run("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", ...packages]);
}
for (const name of [
  "credentials",
  "icons",
  "nodes",
  "types",
  "package.json",
  "tsconfig.json",
  "eslint.config.mjs",
]) {
  rmSync(join(COPY, name), { recursive: true, force: true });
  cpSync(join(HERE, name), join(COPY, name), { recursive: true });
}
// The real types, in place of the copied ones.
const typeRoots = join(ROOT, "node_modules/@types");
const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
run(process.execPath, [tsc, "-p", "tsconfig.json", "--noEmit", "--typeRoots", typeRoots]);
run(process.execPath, [join(INSTALLED, "@n8n/node-cli/bin/n8n-node.mjs"), "lint"]);

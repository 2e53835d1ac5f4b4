#!/usr/bin/env node
// Owns the start of the command line on whatever Node is installed; never knows a command.
// Plain JavaScript that Node 18 can read: the rest of the program is TypeScript for Node 24.
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const NEEDED_MAJOR = 24;

if (Number.parseInt(process.versions.node, 10) >= NEEDED_MAJOR) await import("../src/cli/main.ts");
else runWithPinnedNode();

/** Starts this file again under the Node that the project pins, and becomes transparent. */
function runWithPinnedNode() {
  const node = pinnedNode();
  const child = spawn(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: "inherit" });
  // A Ctrl-C reaches the child twice, from the terminal and from here; it counts only the first.
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"];
  for (const signal of signals) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => giveUp(`the pinned Node at ${node} does not start: ${error.message}`));
  child.on("exit", (code, signal) => {
    if (signal === null) process.exit(code ?? 1);
    for (const name of signals) process.removeAllListeners(name);
    process.kill(process.pid, signal);
    // Reached only where the signal is one that does not end a process.
    setTimeout(() => process.exit(128 + (constants.signals[signal] ?? 0)), 100);
  });
}

function pinnedNode() {
  try {
    const manifest = createRequire(import.meta.url).resolve("node/package.json");
    return join(dirname(manifest), "bin", process.platform === "win32" ? "node.exe" : "node");
  } catch {
    return giveUp(`this needs Node ${NEEDED_MAJOR} and runs on ${process.version}`);
  }
}

function giveUp(problem) {
  process.stderr.write(`${problem}\nhint: run "npm install", which brings Node ${NEEDED_MAJOR} along.\n`);
  process.exit(1);
}

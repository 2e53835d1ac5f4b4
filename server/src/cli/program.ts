/** Owns the list of commands and the way from arguments to an exit code. Never does what a command does. */
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { addAdjustments } from "./adjustments.ts";
import { addAlerts } from "./alerts.ts";
import { addArchive } from "./archive.ts";
import { addAudit } from "./audit.ts";
import { addBudget } from "./budget.ts";
import { addControl } from "./control.ts";
import { addDeadLetters } from "./dead-letters.ts";
import { addDoctor } from "./doctor.ts";
import { addEnqueue } from "./enqueue.ts";
import { addExecutions } from "./executions.ts";
import { addExperiments } from "./experiments.ts";
import { addExplain } from "./explain.ts";
import { EXIT, exitCodeOf, failureLines } from "./failure.ts";
import { addFunnel } from "./funnel.ts";
import { addImport } from "./import.ts";
import { addKeys } from "./keys.ts";
import { addLocks } from "./locks.ts";
import { addMigration } from "./migration.ts";
import { addN8n } from "./n8n.ts";
import { addOpportunities } from "./opportunities.ts";
import { addPolicy } from "./policy.ts";
import { addRecoveries } from "./recoveries.ts";
import { addReports } from "./reports.ts";
import { addReviews } from "./reviews.ts";
import { addSeo } from "./seo.ts";
import { type Shell, withGlobalOptions } from "./session.ts";
import { addSimulate } from "./simulate.ts";
import { addStrategies } from "./strategies.ts";
import { addTasks } from "./tasks.ts";
import type { Terminal } from "./terminal.ts";
import { addTopics } from "./topics.ts";
import { addWorkflows } from "./workflows.ts";

/** Every command, in the order of the help. A new group of commands is registered here. */
const GROUPS = [
  addEnqueue,
  addTasks,
  addTopics,
  addImport,
  addFunnel,
  addExperiments,
  addStrategies,
  addOpportunities,
  addExecutions,
  addExplain,
  addControl,
  addDeadLetters,
  addRecoveries,
  addAlerts,
  addReviews,
  addBudget,
  addPolicy,
  addAdjustments,
  addReports,
  addWorkflows,
  addSeo,
  addKeys,
  addLocks,
  addN8n,
  addMigration,
  addArchive,
  addAudit,
  addDoctor,
  addSimulate,
];

/** Carries out one command line (without `node` and the file) and resolves with its exit code; never throws. */
export async function run(args: readonly string[], terminal: Terminal): Promise<number> {
  const shell: Shell = { terminal, exitCode: EXIT.done };
  try {
    await buildProgram(shell).parseAsync([...args], { from: "user" });
    return shell.exitCode;
  } catch (error) {
    // Commander has written its own words already; help that was asked for is no mistake.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
    for (const line of failureLines(error)) terminal.stderr.write(`${line}\n`);
    return exitCodeOf(error);
  }
}

function buildProgram(shell: Shell): Command {
  const { stdout, stderr } = shell.terminal;
  const program = withGlobalOptions(new Command("orchestrator"))
    .description("The Master Orchestrator from a terminal.")
    .version(ownVersion(), "-V, --version")
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void stdout.write(text),
      writeErr: (text) => void stderr.write(text),
      getOutHelpWidth: () => stdout.columns ?? 100,
      getErrHelpWidth: () => stderr.columns ?? 100,
    })
    .addHelpText("after", ENVIRONMENT);
  for (const add of GROUPS) add(program, shell);
  return program;
}

const ENVIRONMENT = `
Environment:
  ORCHESTRATOR_URL      where the orchestrator is (default http://127.0.0.1:8080)
  ORCHESTRATOR_API_KEY  the key; default ORCHESTRATOR_ADMIN_KEY, else the file admin-key in DATA_DIR (./data)

Exit codes: 0 done, 1 refused or failed, 2 wrong usage.`;

function ownVersion(): string {
  const manifest = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(manifest) as { version: string }).version;
}

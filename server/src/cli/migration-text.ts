/** Owns how migrations read in a terminal and in a report: steps, gates, targets. Asks nobody. */
import type { Migration, MigrationGate, MigrationReport, MigrationStep } from "@master-orchestrator/contract";
import type { z } from "zod";
import { plain, usd } from "./text.ts";

export type Report = z.infer<typeof MigrationReport>;
export type Step = z.infer<typeof MigrationStep>;
type Target = Report["targets"][number];
type Unit = MigrationGate["unit"];

const PHASES = ["baseline", "mutex", "basic", "gateway", "final"] as const;

/** `2 basic, 25 % of runs`, `1 mutex, in shadow`, `4 final`. */
export function stepText({ phase, mode, share_percent }: Step): string {
  const name = `${phase} ${PHASES[phase] ?? "?"}`;
  if (phase === 0 || mode === "full") return name;
  return mode === "shadow" ? `${name}, in shadow` : `${name}, ${share_percent} % of runs`;
}

const percent = (share: number) => `${Number((share * 100).toFixed(2))} %`;

const UNITS: Record<Unit, (value: number) => string> = {
  share: percent,
  runs_per_day: (value) => `${Number(value.toFixed(2))} a day`,
  seconds: (value) => `${Number(value.toFixed(2))} s`,
  usd_per_run: usd,
};

export function measureText(value: number | null, unit: Unit): string {
  return value === null ? "-" : UNITS[unit](value);
}

/** `3 hold, 1 waiting`: the worst last, so that it stands where a line ends. */
export function gatesText(gates: readonly MigrationGate[]): string {
  const counted = (["holds", "not_measured", "waiting", "breached"] as const).flatMap((verdict) => {
    const number = gates.filter((gate) => gate.verdict === verdict).length;
    return number === 0 ? [] : [`${number} ${verdict === "holds" ? "hold" : verdict.replace("_", " ")}`];
  });
  return counted.join(", ") || "-";
}

/** What comes next, or why not. */
export function nextText({ next, next_opens, next_cause }: Migration): string {
  if (next === null) return "at the end";
  return next_opens ? `open: ${stepText(next)}` : `${stepText(next)}: ${next_cause ?? "not open"}`;
}

const TARGETS: Record<Target["target"], { what: string; text: (value: number) => string }> = {
  articles_per_day: { what: "Articles a day", text: (value) => `${Number(value.toFixed(1))}` },
  task_to_result_seconds: { what: "Task to result", text: UNITS.seconds },
  success_share: { what: "Success", text: percent },
};
/** Which side of what is wanted is the good one. */
const ABOVE: Record<Target["target"], boolean> = {
  articles_per_day: true,
  task_to_result_seconds: false,
  success_share: true,
};

const day = (time: string) => time.slice(0, 16).replace("T", " ");
/** Text from n8n stays within its cell. */
const cell = (text: string) => plain(text).replaceAll("|", "\\|");
const row = (...cells: string[]) => `| ${cells.join(" | ")} |`;

/** The report as Markdown: the targets first, then each workflow by its gates. Nothing in it is a wish: what was not measured says so. */
export function reportMarkdown(report: Report): string {
  const lines = [
    "# Migration report",
    "",
    `${day(report.from)} to ${day(report.to)} UTC.`,
    "",
    "## Targets",
    "",
    row("Target", "Wanted", "Measured", "Met", "On", "How"),
    row("---", "---", "---", "---", "---", "---"),
    ...report.targets.map(targetRow),
    "",
    "## Workflows",
    "",
  ];
  if (report.workflows.length === 0) lines.push("No workflow is on its way out of n8n.", "");
  for (const workflow of report.workflows) lines.push(...workflowLines(workflow));
  return lines.join("\n");
}

function targetRow({ target, wanted, measured, met, measured_on, cause }: Target): string {
  const { what, text } = TARGETS[target];
  const limit = `${ABOVE[target] ? "at least" : "under"} ${text(wanted)}`;
  const verdict = met === null ? "not measured" : met ? "yes" : "no";
  const measuredText = measured === null ? "-" : text(measured);
  return row(what, limit, measuredText, verdict, String(measured_on), cell(cause));
}

function workflowLines(workflow: Report["workflows"][number]): string[] {
  const { name, workflow_type, phase, mode, state, gates, runs } = workflow;
  const step = phase === 0 || mode === "full" ? "" : `, ${mode}`;
  const heading = `### ${cell(name)} (\`${workflow_type}\`): phase ${phase} ${PHASES[phase] ?? "?"}${step}, ${state.replaceAll("_", " ")}`;
  const counted = `${runs.due} due: ${runs.by_n8n} by n8n, ${runs.by_orchestrator} by the orchestrator; ${runs.succeeded} succeeded, ${runs.failed} failed, ${runs.open} open, **${runs.lost} lost, ${runs.doubled} doubled**.`;
  const table = gates.map((gate) =>
    row(
      gate.gate,
      measureText(gate.baseline, gate.unit),
      measureText(gate.now, gate.unit),
      measureText(gate.limit, gate.unit),
      gate.verdict.replace("_", " "),
      `${gate.runs}`,
      cell(gate.cause),
    ),
  );
  const head = [
    row("Gate", "Before", "Now", "Limit", "Verdict", "Runs", "Why"),
    row("---", "---", "---", "---", "---", "---", "---"),
  ];
  return [heading, "", counted, "", ...(table.length === 0 ? [] : [...head, ...table, ""])];
}

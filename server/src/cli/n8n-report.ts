/** Owns how an inventory of n8n workflows reads, as JSON and on a terminal. Finds nothing out. */
import type { CollisionReport, WorkflowReport } from "#migrate/n8n/inspect.ts";
import type { Screen } from "./screen.ts";
import { counted, plain } from "./text.ts";

export type FileReport = WorkflowReport & { file: string };

const time = (atMs: number) => new Date(atMs).toISOString();

/** The answer of `--json`. */
export function reportJson(reports: readonly FileReport[], expected: CollisionReport): unknown {
  const { busiestMinute } = expected;
  return {
    workflows: reports.map((report) => ({
      file: report.file,
      name: report.name,
      id: report.id,
      workflow_type: report.workflowType,
      active: report.active,
      transformed: report.transformed,
      triggers: report.triggers,
      time_zone: report.timeZone,
      schedules: report.schedules.map(({ node, disabled, rules }) => ({
        ...{ node, disabled },
        rules: rules.map(({ text, cron, everySeconds, uncertain, problem }) => ({
          ...{ text, cron, every_seconds: everySeconds, uncertain, problem },
        })),
      })),
      ai_nodes: report.aiNodes,
      database_nodes: report.databaseNodes,
      credentials: report.credentials,
      terminal_nodes: report.terminalNodes,
      error_workflow: report.errorWorkflow,
      execution_timeout_seconds: report.executionTimeoutSeconds,
      problems: report.problems,
      phases: Object.fromEntries(
        Object.entries(report.phases).map(([phase, reason]) => [
          phase,
          { possible: reason === null, reason },
        ]),
      ),
    })),
    collisions: {
      from: time(expected.fromMs),
      to: time(expected.toMs),
      found: expected.found,
      expected: expected.collisions.map(({ workflows, times, firstAtMs, aiCallsPerMinute }) => ({
        ...{ workflows, times, first_at: time(firstAtMs), ai_calls_per_minute: aiCallsPerMinute },
      })),
      busiest_minute: busiestMinute && { at: time(busiestMinute.atMs), ai_calls: busiestMinute.aiCalls },
      floating: expected.floating,
    },
  };
}

/** The same for people. */
export function showReport(screen: Screen, reports: readonly FileReport[], expected: CollisionReport): void {
  for (const report of reports) showWorkflow(screen, report);
  showCollisions(screen, expected);
}

const list = (names: readonly string[]) => names.map((name) => plain(name)).join(", ") || "none";

function showWorkflow(screen: Screen, report: FileReport): void {
  const line = (label: string, value: string) => screen.line(`  ${label.padEnd(12)} ${value}`);
  const state = report.active === null ? "" : report.active ? ", active" : ", inactive";
  screen.line(screen.paint("bold", `${plain(report.name)} (${plain(report.file)}${state})`));
  if (report.transformed) line("transformed", report.transformed);
  const triggers = report.triggers.map(
    ({ node, kind, disabled }) => `${node} (${kind}${disabled ? ", disabled" : ""})`,
  );
  line("triggers", list(triggers));
  for (const { node, disabled, rules } of report.schedules) {
    for (const rule of rules) {
      const doubt = rule.problem
        ? `; ${rule.problem}`
        : rule.uncertain
          ? `; not in the file: ${rule.uncertain}`
          : "";
      line(
        "schedule",
        plain(`${node}: ${rule.text}, ${report.timeZone}${disabled ? ", disabled" : ""}${doubt}`),
      );
    }
  }
  const ai = report.aiNodes.map(
    ({ node, provider, obstacle }) => `${node} (${provider}${obstacle ? `; ${obstacle}` : ""})`,
  );
  line("models", list(ai));
  line("databases", list(report.databaseNodes));
  line("credentials", list(report.credentials.map(({ type, name, id }) => `${name ?? id ?? "?"} (${type})`)));
  line("ends", list(report.terminalNodes));
  const timeout = report.executionTimeoutSeconds;
  line("timeout", timeout === null ? "none" : counted(timeout, "second"));
  if (report.errorWorkflow) line("on error", plain(report.errorWorkflow));
  for (const problem of report.problems) line("problem", plain(problem));
  for (const [phase, reason] of Object.entries(report.phases)) {
    line(phase, reason === null ? screen.paint("green", "possible") : plain(`no: ${reason}`));
  }
  screen.line();
}

function showCollisions(screen: Screen, expected: CollisionReport): void {
  const span = `in the week from ${time(expected.fromMs)}`;
  if (expected.collisions.length === 0)
    screen.line(`no two of these workflows start in the same minute ${span}`);
  else {
    screen.line(`workflows that start in the same minute ${span}:`);
    const layout = [
      { title: "TIMES", value: (row: CollisionReport["collisions"][number]) => row.times, right: true },
      { title: "FIRST AT", value: (row: CollisionReport["collisions"][number]) => time(row.firstAtMs) },
      {
        title: "AI CALLS",
        value: (row: CollisionReport["collisions"][number]) => row.aiCallsPerMinute,
        right: true,
      },
      {
        title: "WORKFLOWS",
        value: (row: CollisionReport["collisions"][number]) => row.workflows.join(", "),
        shrinks: true,
      },
    ];
    screen.table(layout, expected.collisions, "");
    const more = expected.found - expected.collisions.length;
    if (more > 0) screen.line(`and ${counted(more, "more set")} of workflows`);
  }
  const busiest = expected.busiestMinute;
  if (busiest) {
    screen.line(`busiest minute: ${counted(busiest.aiCalls, "AI call")} at least, ${time(busiest.atMs)}`);
  }
  for (const { workflow, rule, uncertain } of expected.floating) {
    screen.line(plain(`not known beforehand: ${workflow}, ${rule} (${uncertain})`));
  }
}

/** Owns `doctor`: the installation's health and the invariants, with an exit code for scripts. Mends nothing. */
import type { Diagnosis } from "@master-orchestrator/contract";
import type { Command } from "commander";
import type { z } from "zod";
import { EXIT } from "./failure.ts";
import { type Shell, withAction } from "./session.ts";
import { plain } from "./text.ts";

type Findings = z.infer<typeof Diagnosis>;

/** Registers the command. */
export function addDoctor(program: Command, shell: Shell): void {
  const command = program
    .command("doctor")
    .description("check the installation; exit 1 if something is wrong")
    .option("--invariants", "check every invariant of docs/invariants.md against the live database");
  withAction(command, shell, async (session, _args, options) => {
    const all = options.invariants === true;
    const findings = await session.api<Findings>("GET", `/api/v1/doctor?invariants=${all}`);
    session.show(findings, () => {
      for (const line of report(findings)) session.screen.line(line);
    });
    return findings.healthy ? EXIT.done : EXIT.failed;
  });
}

function report({ checks, invariants }: Findings): string[] {
  const lines = checks.map(
    ({ name, ok, detail, hint }) =>
      `${ok ? "✓" : "✗"} ${name.padEnd(12)} ${plain(`${detail}${hint ? `. ${hint}` : ""}`)}`,
  );
  if (invariants === null) return lines;
  const violated = invariants.filter((invariant) => invariant.violations.length > 0);
  for (const { number, sentence, violations } of violated) {
    lines.push(plain(`✗ ${number}. ${sentence}`));
    for (const row of violations) lines.push(plain(`    ${JSON.stringify(row)}`));
  }
  lines.push(`${invariants.length} invariants checked, ${violated.length} violated`);
  return lines;
}

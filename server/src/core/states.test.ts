/** The state machines: the drawings in docs/states.md and the code say the same. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import {
  EXECUTION_STATUSES,
  type ExecutionStatus,
  TASK_STATUSES,
  type TaskStatus,
} from "@master-orchestrator/contract";
import {
  assertExecutionStep,
  assertTaskStep,
  EXECUTION_TRANSITIONS,
  hasEnded,
  TASK_TRANSITIONS,
} from "./states.ts";

const document = readFileSync(new URL("../../../docs/states.md", import.meta.url), "utf8");

interface Drawing {
  /** `from → to`, sorted. */
  arrows: string[];
  starts: string[];
  ends: string[];
  /** `from → to` of the table below the drawing, with its sentence. */
  sentences: Map<string, string>;
}

/** What the section of a heading draws, and what its table says. */
function drawingOf(heading: string): Drawing {
  const section = document.split(/^## /m).find((text) => text.startsWith(`${heading}\n`));
  assert.ok(section, `docs/states.md has a section ${heading}`);
  const diagram = /```mermaid\nstateDiagram-v2\n([\s\S]*?)```/.exec(section)?.[1];
  assert.ok(diagram, `${heading} has a state diagram`);
  const drawing: Drawing = { arrows: [], starts: [], ends: [], sentences: new Map() };
  for (const line of diagram.split("\n").filter((text) => text.trim() !== "")) {
    const arrow = /^ {4}(\S+) --> (\S+)(?: : (\S.*))?$/.exec(line);
    assert.ok(arrow, `a line that is no arrow: ${line}`);
    const [, from, to, label] = arrow as unknown as [string, string, string, string | undefined];
    if (from === "[*]") drawing.starts.push(to);
    else if (to === "[*]") drawing.ends.push(from);
    else {
      assert.ok(label, `${from} → ${to} says what causes it`);
      drawing.arrows.push(`${from} → ${to}`);
    }
  }
  for (const [, name, sentence] of section.matchAll(/^\| (\w+ → \w+) \| (.+) \|$/gm)) {
    assert.ok(!drawing.sentences.has(name as string), `${name} is explained once`);
    drawing.sentences.set(name as string, sentence as string);
  }
  drawing.arrows.sort();
  return drawing;
}

const arrowsOf = (transitions: Readonly<Record<string, readonly string[]>>) =>
  Object.entries(transitions)
    .flatMap(([from, targets]) => targets.map((to) => `${from} → ${to}`))
    .sort();

const machines = [
  {
    heading: "Executions",
    transitions: EXECUTION_TRANSITIONS,
    statuses: EXECUTION_STATUSES,
    starts: ["IDLE"],
  },
  {
    heading: "Tasks",
    transitions: TASK_TRANSITIONS,
    statuses: TASK_STATUSES,
    starts: ["queued", "scheduled"],
  },
];

for (const { heading, transitions, statuses, starts } of machines) {
  describe(`the states of ${heading.toLowerCase()}`, () => {
    const drawing = drawingOf(heading);

    it("are drawn as the code has them, arrow by arrow, both ways", () => {
      assert.deepEqual(drawing.arrows, arrowsOf(transitions));
    });

    it("are those of the contract", () => {
      assert.deepEqual(Object.keys(transitions).sort(), [...statuses].sort());
    });

    it("begin and end where the drawing says", () => {
      assert.deepEqual(drawing.starts.sort(), starts);
      const ends = Object.entries(transitions).filter(([, targets]) => targets.length === 0);
      assert.deepEqual(drawing.ends.sort(), ends.map(([status]) => status).sort());
    });

    it("have one sentence for each arrow, and none for an arrow that is not there", () => {
      assert.deepEqual([...drawing.sentences.keys()].sort(), drawing.arrows);
      for (const sentence of drawing.sentences.values()) assert.match(sentence, /^[A-Z].*\.$/);
    });

    it("can all be reached from the beginning", () => {
      const reached = new Set(starts);
      for (const from of reached)
        for (const to of (transitions as Record<string, readonly string[]>)[from] ?? []) reached.add(to);
      assert.deepEqual([...reached].sort(), [...statuses].sort());
    });
  });
}

describe("a step", () => {
  it("that is drawn passes, every other throws and names itself", () => {
    for (const from of EXECUTION_STATUSES) {
      for (const to of EXECUTION_STATUSES) {
        const check = () => assertExecutionStep(from as ExecutionStatus, to as ExecutionStatus);
        if (EXECUTION_TRANSITIONS[from].includes(to)) assert.doesNotThrow(check);
        else assert.throws(check, new RegExp(`illegal execution step ${from} → ${to}`));
      }
    }
    for (const from of TASK_STATUSES) {
      for (const to of TASK_STATUSES) {
        const check = () => assertTaskStep(from as TaskStatus, to as TaskStatus);
        if (TASK_TRANSITIONS[from].includes(to)) assert.doesNotThrow(check);
        else assert.throws(check, new RegExp(`illegal task step ${from} → ${to}`));
      }
    }
  });

  it("leads out of no end", () => {
    const ended = EXECUTION_STATUSES.filter((status) => hasEnded(status));
    assert.deepEqual(ended, ["COMPLETED", "FAILED", "CANCELLED"]);
  });
});

/** Owns a phase by share of runs: each firing of n8n's own clock asks the orchestrator whose turn it is. Pure. */
import { lockPieces, one, type Pieces } from "./lock-parts.ts";
import type { TransformSettings } from "./mark.ts";
import { choicePart, codePart, NAMES, noOpPart, stopPart, turnPart } from "./parts.ts";
import type { Plan } from "./plan.ts";
import { triggerItemsCode } from "./snippets.ts";
import type { N8nConnections } from "./workflow.ts";

/**
 * The plan of a phase with a turn before it. What goes as before the phase runs in the execution of its trigger itself, or
 * with the lock. In phase mutex a run also goes as before when nobody answers: nobody else could run it. From basic on
 * it fails then, and the orchestrator makes up for it when it sees that.
 */
export function byShare(plan: Plan, settings: TransformSettings, seed: string, around: Around): Plan {
  const { entry, leaseSeconds } = around;
  const clocks = plan.starts.map(({ clock }) => clock);
  const mutex = settings.phase === "mutex";
  const before = settings.before === "mutex" && !mutex ? NAMES.acquire : NAMES.asBefore;
  const locked: Pieces =
    before === NAMES.acquire
      ? shifted(
          lockPieces(
            settings,
            { clocks, leaseSeconds, seed },
            { input: NAMES.lockedInput, run: NAMES.lockedRun },
          ),
        )
      : { parts: [], connections: {} };
  const asBefore = before === NAMES.asBefore;
  return {
    ...plan,
    starts: plan.starts.map((start) => ({ ...start, disabled: false })),
    parts: [
      ...plan.parts,
      { part: turnPart(settings.orchestratorUrl, settings.workflowType, clocks), column: -3, row: 3 },
      { part: choicePart(NAMES.byPhase, "phase", seed), column: -2, row: 3 },
      { part: choicePart(NAMES.byOld, "before", seed), column: -1, row: 3 },
      { part: noOpPart(NAMES.takenCareOf), column: 0, row: 4 },
      ...(asBefore ? [{ part: codePart(NAMES.asBefore, triggerItemsCode(clocks)), column: 0, row: 3 }] : []),
      ...(mutex ? [] : [{ part: stopPart(NAMES.noTurn, NO_TURN), column: -2, row: 4 }]),
      ...locked.parts,
    ],
    connections: {
      ...plan.connections,
      ...locked.connections,
      ...Object.fromEntries(clocks.map((clock) => [clock, one(NAMES.turn)])),
      [NAMES.turn]: one(NAMES.byPhase, mutex ? NAMES.asBefore : NAMES.noTurn),
      [NAMES.byPhase]: one(mutex ? NAMES.acquire : NAMES.takenCareOf, NAMES.byOld),
      [NAMES.byOld]: one(before, NAMES.takenCareOf),
      ...(asBefore ? { [NAMES.asBefore]: entry } : {}),
    },
  };
}

export interface Around {
  /** What a run without a lock begins with. */
  entry: N8nConnections[string];
  leaseSeconds: number;
}

const NO_TURN =
  "The orchestrator did not say whose turn it is, so nothing was run: it makes up for it when it is back.";

function shifted({ parts, connections }: Pieces): Pieces {
  return { parts: parts.map((each) => ({ ...each, row: each.row + 3 })), connections };
}

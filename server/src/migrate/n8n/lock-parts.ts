/** Owns the nodes that run the work only with the lock, and give it back at every end. Pure. */
import type { TransformSettings } from "./mark.ts";
import {
  acquirePart,
  codePart,
  NAMES,
  noOpPart,
  type Part,
  releasePart,
  runPart,
  statusPart,
  stopPart,
  targets,
} from "./parts.ts";
import { triggerItemsCode } from "./snippets.ts";
import type { N8nConnections } from "./workflow.ts";

export interface Pieces {
  parts: { part: Part; column: number; row: number }[];
  connections: N8nConnections;
}

/** From each node to the nodes behind its outputs, one each; null where nothing is behind. */
export const one = (...outputs: (string | null)[]) => ({
  main: outputs.map((name) => (name === null ? [] : targets(name))),
});

/** `names`: where the same workflow also runs without the lock, these nodes are there twice. Entered by `NAMES.acquire`. */
export function lockPieces(
  settings: TransformSettings,
  { clocks, leaseSeconds, seed }: { clocks: readonly string[]; leaseSeconds: number; seed: string },
  names: { input: string; run: string } = NAMES,
): Pieces {
  return {
    parts: [
      { part: acquirePart(settings, leaseSeconds, settings.waitSeconds), column: 0, row: 0 },
      { part: statusPart(NAMES.granted, 200, seed), column: 1, row: 0 },
      { part: codePart(names.input, triggerItemsCode(clocks)), column: 2, row: 0 },
      { part: statusPart(NAMES.busy, 409, seed), column: 2, row: 1 },
      { part: runPart(names.run), column: 3, row: 0 },
      { part: noOpPart(NAMES.skipped), column: 3, row: 1 },
      {
        part: stopPart(NAMES.noLock, "=No lock, so no run: HTTP status {{ $json.statusCode }}"),
        column: 3,
        row: 2,
      },
      { part: releasePart(NAMES.release, settings), column: 4, row: 0 },
      { part: releasePart(NAMES.releaseFailed, settings), column: 4, row: 1 },
      { part: stopPart(NAMES.failed, failureText(names.run)), column: 5, row: 1 },
    ],
    connections: {
      [NAMES.acquire]: one(NAMES.granted),
      [NAMES.granted]: one(names.input, NAMES.busy),
      [NAMES.busy]: one(NAMES.skipped, NAMES.noLock),
      [names.input]: one(names.run),
      [names.run]: one(NAMES.release, NAMES.releaseFailed),
      [NAMES.releaseFailed]: one(NAMES.failed),
    },
  };
}

function failureText(run: string): string {
  return `=The run failed: {{ $('${run}').all(1)[0]?.json?.error?.message ?? $('${run}').all(1)[0]?.json?.error ?? '' }}`;
}

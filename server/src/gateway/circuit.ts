/** Remembers, in this process, which providers do not answer. Calls nobody. */

/** So many failures in a row, and a provider counts as down for so long; then one call tries again. */
const FAILURES = 5;
const DOWN_MS = 30_000;

export interface Circuit {
  isDown(provider: string): boolean;
  /** How a call ended: `failed` if the provider could not be reached, or answered that it is broken. */
  report(provider: string, outcome: "answered" | "failed"): void;
}

export function createCircuit(monotonicMs: () => number): Circuit {
  const failures = new Map<string, { inARow: number; lastMs: number }>();
  return {
    isDown(provider) {
      const failed = failures.get(provider);
      return failed !== undefined && failed.inARow >= FAILURES && monotonicMs() - failed.lastMs < DOWN_MS;
    },
    report(provider, outcome) {
      if (outcome === "answered") failures.delete(provider);
      else {
        const inARow = (failures.get(provider)?.inARow ?? 0) + 1;
        failures.set(provider, { inARow, lastMs: monotonicMs() });
      }
    },
  };
}

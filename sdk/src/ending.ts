/** Owns the reasons for which work is ended early; the one thing that an author's `signal.reason` can be. */

/** `deadline`: out of time. `stale`: cancelled or superseded. `shutdown`: the process is leaving. */
export type Ending = "deadline" | "stale" | "shutdown";

export class WorkEnded extends Error {
  override readonly name = "WorkEnded";
  readonly kind: Ending;

  constructor(kind: Ending, message: string) {
    super(`${kind}: ${message}`);
    this.kind = kind;
  }
}

/** Why a signal was aborted by the sdk; null when it was not. */
export function endingOf(signal: AbortSignal): WorkEnded | null {
  return signal.aborted && signal.reason instanceof WorkEnded ? signal.reason : null;
}

/** Tells a caller where the time of its call went, in the words of HTTP's Server-Timing. Decides nothing. */

/** What a call waits for: its permits and money, its provider's first byte, the ledger's commit. */
export type Leg = "permit" | "provider" | "ledger";

export interface Timing {
  /** Measures `work`; what one leg takes in several tries is summed. */
  of<T>(leg: Leg, work: Promise<T>): Promise<T>;
  /** `permit;dur=1.2, provider;dur=340.0, ledger;dur=0.9`, of what is over so far. */
  header(): string;
}

export function createTiming(monotonicMs: () => number): Timing {
  const legs = new Map<Leg, number>();
  return {
    async of(leg, work) {
      const sinceMs = monotonicMs();
      try {
        return await work;
      } finally {
        legs.set(leg, (legs.get(leg) ?? 0) + monotonicMs() - sinceMs);
      }
    },
    header: () => [...legs].map(([leg, ms]) => `${leg};dur=${ms.toFixed(2)}`).join(", "),
  };
}

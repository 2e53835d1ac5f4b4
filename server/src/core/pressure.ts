/** How near each resource is to its limit. What follows from it is decided elsewhere. */
import { fleetConnections } from "./health.ts";
import type { Snapshot } from "./snapshot.ts";
import { daysMoney } from "./supplies.ts";

export interface Pressure {
  resource: "permits" | "connections" | "memory" | "budget";
  /** Used of what is allowed; 1 at the limit. */
  share: number;
  /** Whose limit that is, in words. */
  name: string;
}

type Seen = Pick<Snapshot, "policy" | "resources" | "supplies">;

/** Every resource that has a limit. */
export function pressures({ policy, resources, supplies }: Seen): Pressure[] {
  const largestMb = Math.max(0, ...resources.replicas.map(({ rssMb }) => rssMb ?? 0));
  const budget = daysMoney(supplies);
  return [
    ...supplies.permits
      .filter(({ kind, limit }) => kind === "requests_per_minute" && limit > 0)
      .map(({ provider, used, limit }): Pressure => {
        return { resource: "permits", share: used / limit, name: `requests a minute to ${provider}` };
      }),
    {
      resource: "connections",
      share: fleetConnections(resources).inUse / policy.database.max_connections,
      name: "connections to the database",
    },
    {
      resource: "memory",
      share: policy.memory.max_rss_mb > 0 ? largestMb / policy.memory.max_rss_mb : 0,
      name: "resident memory of a replica",
    },
    {
      resource: "budget",
      share: budget && budget.capMicros > 0 ? budget.usedMicros / budget.capMicros : 0,
      name: "the day's budget",
    },
  ];
}

/** The resource that is nearest to its limit; null where none has one. */
export function highest(of: readonly Pressure[]): Pressure | null {
  return of.reduce<Pressure | null>((a, b) => (a === null || b.share > a.share ? b : a), null);
}

/** The resource that makes this a high load; null if none does. */
export function strained(seen: Seen): Pressure | null {
  const worst = highest(pressures(seen));
  return worst && worst.share > seen.policy.high_load.resource_above ? worst : null;
}

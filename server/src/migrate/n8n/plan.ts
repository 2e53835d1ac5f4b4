/** Owns what a phase adds to a workflow and changes in it, as a value. */
import type { Part } from "./parts.ts";
import type { N8nConnections } from "./workflow.ts";

/** A trigger of the original that the plan changes. */
export interface Start {
  name: string;
  /** Its name from now on: another one where a node that does nothing takes its name, since expressions refer to it. */
  clock: string;
  disabled: boolean;
  /** It is gone, and not only switched off. */
  removed?: boolean;
}

export interface Plan {
  starts: Start[];
  parts: { part: Part; column: number; row: number }[];
  /** Of added nodes and renamed triggers; all others stay as they are. */
  connections: N8nConnections;
  notes: string[];
  webhookPath: string | null;
}

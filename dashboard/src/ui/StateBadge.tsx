/** The state of a task, an execution or anything else with one: its colour and its word, never the colour alone. */
import { words } from "../lib/format.ts";

const COLORS: Readonly<Record<string, string>> = {
  completed: "teal",
  running: "blue",
  monitoring: "blue",
  dispatching: "blue",
  analyzing: "blue",
  queued: "gray",
  scheduled: "gray",
  idle: "gray",
  retrying: "yellow",
  error_recovery: "orange",
  attention: "yellow",
  failed: "red",
  trouble: "red",
  dead_lettered: "red",
  healthy: "teal",
  proposed: "yellow",
  approved: "blue",
  measuring: "blue",
  kept: "teal",
  rolled_back: "orange",
  up: "teal",
  "breaker open": "red",
  "breaker half_open": "orange",
};

export function StateBadge({ state }: { state: string }) {
  const color = `var(--mantine-color-${COLORS[state.toLowerCase()] ?? "gray"}-light`;
  return (
    <span className="state" style={{ background: `${color})`, color: `${color}-color)` }}>
      {words(state)}
    </span>
  );
}

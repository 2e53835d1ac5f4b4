/** A process with nothing to do but one timer: on each boundary it notes how late it was called. The limit for `tick.ts`. */
const INTERVAL_MS = 1_000;

function wallMs(): number {
  return performance.timeOrigin + performance.now();
}

function arm(): void {
  const boundaryMs = Math.floor(wallMs() / INTERVAL_MS + 1) * INTERVAL_MS;
  setTimeout(() => {
    process.send?.({ boundaryMs, lateMs: wallMs() - boundaryMs });
    arm();
  }, boundaryMs - wallMs());
}

process.send?.("ready");
arm();
// Whoever started it is gone, however that came.
process.once("disconnect", () => process.exit());

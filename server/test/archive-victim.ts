/** Owns a process that archives and is killed at one step, as by a power cut: nothing is cleaned up. */
import { archiveDue } from "#engine/archive.ts";
import { openDatabase } from "#store/database.ts";

const [url, dataDir, fatal] = process.argv.slice(2) as [string, string, string];
const db = openDatabase({ url, maxConnections: 2, onError: () => {} });
await archiveDue({
  db,
  dataDir,
  onStep(step) {
    if (step === fatal) process.kill(process.pid, "SIGKILL");
  },
});
await db.close();

/** The service as a process: settings, database, house, signals. Wires nothing inside the house. */
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { Problem } from "@master-orchestrator/contract";
import { loadConfig } from "#config.ts";
import { type House, openHouse } from "#house.ts";
import { createLog } from "#log.ts";
import { type EmbeddedServer, startEmbedded } from "#store/embedded/index.ts";

/** sysexits' EX_TEMPFAIL: start it again, and it is well. */
const RUNAWAY_EXIT_CODE = 75;

async function main(): Promise<void> {
  const settings = loadConfig(process.env);
  const config = { ...settings, dataDir: resolve(settings.dataDir) };
  const log = createLog(config);
  let embedded: EmbeddedServer | undefined;
  let house: House | undefined;
  let stopping = false;
  const shutDown = async (code: number, noticeMs = 0) => {
    if (stopping) return;
    stopping = true;
    log.info("Stopping: what runs is being finished");
    await house?.stop(noticeMs).catch((error) => log.error("Stopping was not clean", { error }));
    await embedded?.stop();
    process.exit(code);
  };
  // Whoever read our output may go away; the service goes on.
  process.stdout.on("error", () => {});
  // A supervisor's; who presses Ctrl-C waits for no proxy.
  process.on("SIGTERM", () => void shutDown(0, config.stopNoticeMs));
  process.on("SIGINT", () => void shutDown(0));
  await mkdir(config.dataDir, { recursive: true, mode: 0o700 });
  if (config.databaseUrl === null) {
    embedded = await startEmbedded({
      dataDir: config.dataDir,
      log: (level, message, details) => log[level](message, details),
      onLost: (error) => {
        log.error("The embedded database is lost", { error });
        void shutDown(1);
      },
    });
  }
  try {
    const databaseUrl = config.databaseUrl ?? (embedded?.url as string);
    house = await openHouse({ config, log, databaseUrl, onRunaway: () => void shutDown(RUNAWAY_EXIT_CODE) });
  } catch (error) {
    await embedded?.stop();
    throw error;
  }
  announce(house, config.dataDir);
}

/** What a person who starts it has to know. */
function announce(house: House, dataDir: string): void {
  const lines = [
    `Master Orchestrator is ready: ${house.publicUrl}`,
    `Articles   ${house.publicUrl}/articles`,
    `API        ${house.publicUrl}/docs`,
  ];
  if (house.generatedAdminKey) {
    lines.push(`Admin key  ${house.generatedAdminKey}`);
    lines.push(`           shown this once; the CLI reads it from ${join(dataDir, "admin-key")}`);
  }
  process.stdout.write(`\n${lines.map((line) => `  ${line}\n`).join("")}\n`);
}

main().catch((error: unknown) => {
  const said =
    error instanceof Problem
      ? `${error.message}\n  ${error.hint}`
      : error instanceof Error
        ? error.stack
        : String(error);
  process.stderr.write(`orchestrator: ${said}\n`);
  process.exit(1);
});

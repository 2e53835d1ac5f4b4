/** Owns the embedded PostgreSQL of one data directory, from start to stop, crashes included. Never a query of the application. */
import { setTimeout as pause } from "node:timers/promises";
import { Problem } from "@master-orchestrator/contract";
import { type Cluster, type Log, openCluster, type Trial } from "./cluster.ts";
import { launch, type Running, shutDown } from "./launch.ts";
import { takeLock } from "./lock.ts";

export interface EmbeddedServer {
  /** postgres://postgres:<password>@127.0.0.1:<port>/orchestrator; stays the same when the server is brought back. */
  url: string;
  /** true if a server left behind by a killed process was found and adopted. */
  adopted: boolean;
  /** Releases the data directory and stops the server (fast shutdown), waiting at most 10 s. Idempotent, never rejects. */
  stop(): Promise<void>;
}

export interface EmbeddedOptions {
  /** DATA_DIR; the cluster lives in <dataDir>/postgres. */
  dataDir: string;
  log: Log;
  /** Extra `-c` settings for a server that is started; an adopted one keeps those it has. */
  settings?: Record<string, string>;
  /** The server or the lock was lost and could not be brought back. At most once, and not after stop(). */
  onLost?: (error: Error) => void;
}

const TRIES = 4;

/**
 * Starts or adopts the server of `dataDir` and holds the directory until stop().
 * Throws Problem `data_dir_in_use` if another process has it (its server is left alone), and
 * `database_unavailable` if there is no server within about 20 s. `trial` is for tests.
 */
export async function startEmbedded(options: EmbeddedOptions, trial: Trial = {}): Promise<EmbeddedServer> {
  const started = performance.now();
  const cluster = await openCluster(options, trial);
  const hold = new Hold(cluster, options.onLost);
  const { port, adopted } = await hold.begin();
  const ms = Math.round(performance.now() - started);
  options.log("info", `PostgreSQL ${adopted ? "adopted" : "started"} on 127.0.0.1:${port}`, { port, ms });
  const url = `postgres://postgres:${cluster.password}@127.0.0.1:${port}/orchestrator?sslmode=disable`;
  return { url, adopted, stop: () => hold.end() };
}

/** The server and the lock on it, as long as we have them. */
class Hold {
  readonly #cluster: Cluster;
  readonly #onLost: ((error: Error) => void) | undefined;
  readonly #ending = new AbortController();
  #running: Running | null = null;
  #recovery: Promise<void> | null = null;
  #end: Promise<void> | null = null;

  constructor(cluster: Cluster, onLost: ((error: Error) => void) | undefined) {
    this.#cluster = cluster;
    this.#onLost = onLost;
  }

  async begin(port?: number): Promise<Running> {
    for (let attempt = 1; ; attempt++) {
      try {
        const running = await seize(this.#cluster, this.#ending.signal, port);
        running.session.once("end", () => this.#lost(running.port));
        this.#running = running;
        return running;
      } catch (error) {
        // A Problem is final. Anything else is a session lost on the way, as when the last owner just stops.
        if (error instanceof Problem || attempt === TRIES || this.#ending.signal.aborted) throw error;
        await pause(100 * 2 ** attempt);
      }
    }
  }

  #lost(port: number): void {
    this.#running = null;
    if (this.#ending.signal.aborted) return;
    this.#cluster.log("warn", "PostgreSQL was lost; bringing it back", { port });
    this.#recovery = this.begin(port).then(
      () => this.#cluster.log("info", "PostgreSQL is back", { port }),
      (error: Error) => {
        if (this.#ending.signal.aborted) return;
        this.#cluster.log("error", `PostgreSQL could not be brought back: ${error.message}`, { port });
        this.#onLost?.(error);
      },
    );
  }

  end(): Promise<void> {
    this.#end ??= this.#stop();
    return this.#end;
  }

  async #stop(): Promise<void> {
    this.#ending.abort();
    await this.#recovery;
    const running = this.#running;
    if (running === null) return;
    // The lock falls with the server, not before: nobody may adopt a server that is about to stop.
    if (await shutDown(this.#cluster, running)) {
      await running.session.end().catch(() => {});
      return;
    }
    this.#cluster.log("warn", "PostgreSQL takes long to shut down; it finishes on its own", {
      pid: running.pid,
    });
    void running.session.end().catch(() => {});
    (running.session as unknown as { unref(): void }).unref(); // a server that hangs must not hold the process
  }
}

/** A server, the lock on it and the application's database in it. Without the lock, the server is left alone. */
async function seize(cluster: Cluster, signal: AbortSignal, port: number | undefined): Promise<Running> {
  const running = await launch(cluster, signal, port);
  const { session } = running;
  try {
    await takeLock(session, cluster.dataDir);
  } catch (error) {
    await session.end().catch(() => {});
    throw error;
  }
  try {
    if (port !== undefined && running.port !== port) {
      throw new Error(`PostgreSQL came back on port ${running.port} instead of ${port}`);
    }
    const { rowCount } = await session.query("select from pg_database where datname = 'orchestrator'");
    if (rowCount === 0) await session.query("create database orchestrator");
    return running;
  } catch (error) {
    await shutDown(cluster, running);
    await session.end().catch(() => {});
    throw error;
  }
}

/** Owns what the command line sees of its surroundings: streams, environment, time. Never reads them itself. */
import type { Readable, Writable } from "node:stream";

/** Everything outside of the program; a test hands in its own. */
export interface Terminal {
  stdin: Readable & { isTTY?: boolean };
  stdout: Writable & { isTTY?: boolean; columns?: number };
  stderr: Writable & { isTTY?: boolean; columns?: number };
  env: Record<string, string | undefined>;
  cwd: string;
  /** Aborted by Ctrl-C; whoever waits or calls has to end soon after. */
  interrupt: AbortSignal;
  /** Milliseconds since 1970. */
  now(): number;
  /** Resolves after `ms`; rejects when `interrupt` is aborted before. */
  sleep(ms: number): Promise<void>;
}

/** Owns the process of the command line: its streams, signals and exit code. Knows no command. */
import { setTimeout as delay } from "node:timers/promises";
import { EXIT, Interrupted } from "./failure.ts";
import { run } from "./program.ts";
import type { Terminal } from "./terminal.ts";

const interrupt = new AbortController();
// Under the shim one Ctrl-C arrives twice, so a second one cannot mean "at once"; a second of time does.
process.on("SIGINT", () => {
  interrupt.abort();
  setTimeout(() => process.exit(EXIT.interrupted), 1000).unref();
});

// The reader of a pipe may leave early (`| head`): that ends the command without a word. It is not
// success, because an enqueuing that ends here has not sent everything.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", () => process.exit(EXIT.failed));
}

const terminal: Terminal = {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  cwd: process.cwd(),
  interrupt: interrupt.signal,
  now: () => Date.now(),
  sleep: async (ms) => {
    await delay(ms, undefined, { signal: interrupt.signal }).catch(() => {
      throw new Interrupted("interrupted");
    });
  },
};

// Not process.exit: what was written to a pipe has to get through first.
process.exitCode = await run(process.argv.slice(2), terminal);
// A pipe that nobody closes would keep the process.
process.stdin.unref?.();

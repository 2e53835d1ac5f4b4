/** Owns the progress bar on stderr, and remarks that do not tear it. Never counts anything itself. */
import { Presets, SingleBar } from "cli-progress";
import type { Terminal } from "./terminal.ts";
import { plain } from "./text.ts";

export interface Progress {
  /** `done` of `total` in any unit, with a text beside the bar. */
  update(done: number, text: string): void;
  /** A line above the bar. */
  remark(text: string): void;
  stop(): void;
}

/** A bar on a terminal; elsewhere remarks only. A total of null shows the text without a bar. */
export function openProgress(terminal: Terminal, total: number | null): Progress {
  const { stderr } = terminal;
  if (stderr.isTTY !== true) {
    return { update() {}, stop() {}, remark: (text) => void stderr.write(`${plain(text)}\n`) };
  }
  const bar = new SingleBar(
    {
      format: total === null ? "{text}" : "{bar} {percentage}% {text}",
      stream: stderr,
      barsize: 24,
      forceRedraw: true,
      clearOnComplete: true,
      // The process ends by the command's own hand, which has to say how far it got.
      gracefulExit: false,
    },
    Presets.shades_classic,
  );
  bar.start(total ?? 1, 0, { text: "" });
  return {
    update: (done, text) => bar.update(Math.min(done, total ?? 0), { text: plain(text) }),
    remark(text) {
      stderr.write(`\r\u001b[K${plain(text)}\n`);
      bar.render();
    },
    stop: () => bar.stop(),
  };
}

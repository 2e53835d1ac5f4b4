/** Owns how a command gets what it needs and gives back an exit code. Knows no command. */
import type { Command } from "commander";
import { type Api, openApi } from "./api.ts";
import { findConnection } from "./connection.ts";
import { EXIT, Refusal, UsageError } from "./failure.ts";
import { openScreen, type Screen } from "./screen.ts";
import type { Terminal } from "./terminal.ts";

export interface Session {
  terminal: Terminal;
  screen: Screen;
  /** The API's answer is printed as it is. */
  json: boolean;
  /** Whether stdout has an answer already; a second one would not be JSON any more. */
  answered: boolean;
  /** Looks for address and key at the first call, so that commands without a server need neither. */
  api: Api;
  /** Prints an answer: as JSON, or by `render`. */
  show(answer: unknown, render: () => void): void;
}

export type Options = Record<string, unknown>;
/** Resolves with an exit code; none is success. */
export type Action = (session: Session, args: string[], options: Options) => Promise<number | undefined>;

/** Where a command leaves its exit code for whoever parses the arguments. */
export interface Shell {
  terminal: Terminal;
  exitCode: number;
}

/**
 * The options that every command takes, before or behind its name. They are given to each command, not
 * to the program alone, so that a command may have an own `--url` for something else.
 */
export function withGlobalOptions(command: Command): Command {
  if (!command.options.some(({ long }) => long === "--url"))
    command.option(
      "--url <url>",
      "where the orchestrator is (ORCHESTRATOR_URL; default http://127.0.0.1:8080)",
    );
  return command
    .option("--json", "print the answer of the API as it is")
    .option("--no-color", "no colours (also: NO_COLOR)");
}

/** Gives a command its global options and its action. */
export function withAction(command: Command, shell: Shell, action: Action): Command {
  return withGlobalOptions(command).action(async () => {
    const options = optionsOf(command);
    const session = openSession(shell.terminal, options);
    try {
      shell.exitCode = (await action(session, command.args, options)) ?? EXIT.done;
    } catch (error) {
      if (session.json && !session.answered && error instanceof Refusal) session.screen.json(error.body);
      throw error;
    }
  });
}

/** The options of a command and of those above it, as far as somebody gave them; the nearest wins. */
function optionsOf(command: Command): Options {
  const inherited = command.parent === null ? {} : optionsOf(command.parent);
  const own = Object.entries(command.opts()).filter(([name]) => {
    return !(name in inherited) || command.getOptionValueSource(name) !== "default";
  });
  return { ...inherited, ...Object.fromEntries(own) };
}

function openSession(terminal: Terminal, options: Options): Session {
  const screen = openScreen(terminal, options.color !== false);
  const json = options.json === true;
  let opened: Api | null = null;
  const api: Api = (method, path, request) => {
    opened ??= openApi(findConnection(terminal, options.url as string | undefined), terminal.interrupt);
    return opened(method, path, request);
  };
  const session: Session = {
    terminal,
    screen,
    json,
    answered: false,
    api,
    show(answer, render) {
      session.answered = true;
      if (json) screen.json(answer);
      else render();
    },
  };
  return session;
}

/** A whole number within bounds, from an option's text. */
export function wholeNumber(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= least && value <= most) return value;
  throw new UsageError(`${name} is "${text}"`, `it has to be a whole number from ${least} to ${most}`);
}

const UNITS: Record<string, number> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/**
 * A time from an option's text: RFC 3339, a date (its start in UTC), or a distance such as `2h` or `7d`,
 * which counts back from now, or forward where `direction` is 1.
 */
export function timeOption(name: string, text: string, nowMs: number, direction: 1 | -1 = -1): string {
  const distance = /^(\d+)([smhdw])$/.exec(text);
  if (distance) {
    const at = new Date(nowMs + direction * Number(distance[1]) * UNITS[distance[2]!]!);
    if (!Number.isNaN(at.getTime())) return at.toISOString();
  }
  const dated = /^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00:00:00Z` : text;
  const full = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/i.test(dated);
  if (full && !Number.isNaN(Date.parse(dated))) return new Date(dated).toISOString();
  throw new UsageError(`${name} is no time: "${text}"`, "write 2026-12-01T09:00:00Z, 2026-12-01, or 2h, 7d");
}

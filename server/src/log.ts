/** Owns the log: structured JSON lines, pretty on a terminal. Never lets a secret through. */
import { pino } from "pino";
import { PinoPretty } from "pino-pretty";

export type LogLevel = "debug" | "info" | "warn" | "error" | "silent";
export const LOG_LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error", "silent"];

type Write = (message: string, details?: object) => void;

/** Writes one line; an Error among the details keeps its stack, secrets are masked. Never throws. */
export interface Log {
  debug: Write;
  info: Write;
  warn: Write;
  error: Write;
}

/** Where lines go; the process's standard output unless told. */
export interface LogSink {
  write(line: string): void;
  isTTY?: boolean;
}

/** A log of the given level and above. `sink` is for tests. */
export function createLog(config: { logLevel: LogLevel }, sink: LogSink = process.stdout): Log {
  const destination = sink.isTTY
    ? PinoPretty({ colorize: true, ignore: "pid,hostname", translateTime: "SYS:HH:MM:ss.l", sync: true })
    : sink;
  const logger = pino(
    {
      level: config.logLevel,
      base: null,
      messageKey: "message",
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination,
  );
  const write =
    (level: Exclude<LogLevel, "silent">): Write =>
    (message, details) => {
      if (!logger.isLevelEnabled(level)) return;
      logger[level](details === undefined ? {} : fields(details), maskText(message));
    };
  return { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") };
}

/** The line's own names are taken: a detail of the same name gets an underscore. */
function fields(details: object): object {
  const masked = redact(details) as Record<string, unknown>;
  if (details instanceof Error) return { error: masked };
  const entries = Object.entries(masked);
  return Object.fromEntries(entries.map(([name, value]) => [OWN_NAMES.has(name) ? `${name}_` : name, value]));
}
const OWN_NAMES = new Set(["level", "time", "message"]);

const MASK = "[redacted]";
const SECRET_NAME =
  /^(.*[_-])?(authorization|token|key|secret|password|passwd|cookie|apikey|signing_?secret|admin_?key|api_?key|smtp_?url)$/i;
const SECRET_CAMEL = /(Token|Key|Secret|Password|Authorization)$/;
/** Names that end like a secret's but are none. */
const HARMLESS_NAME = /^(idempotency_?key|checkpoint_?key|lane_?key|sort_?key)$/i;
const SECRET_TEXT =
  /\b(?:moe_[A-Za-z0-9._-]{8,}|mo_[a-z0-9]{8,}_[A-Za-z0-9_-]{8,}|whsec_[A-Za-z0-9+/=]{8,}|Bearer\s+[^\s",]{8,}|Basic\s+[A-Za-z0-9+/=]{8,})|(?<=[?&](?:key|api_key|token)=)[^&\s"]+|(?<=:\/\/[^/\s:@]*:)[^/\s@]+(?=@)/g;

function maskText(text: string): string {
  return text.replace(SECRET_TEXT, MASK);
}

/** A copy of `value` for the log: secrets masked, errors spelled out, cut at a depth that no line needs. */
export function redact(value: unknown, depth = 0): unknown {
  if (typeof value === "string") return maskText(value);
  if (typeof value === "bigint") return String(value);
  if (value === null || typeof value !== "object") return value;
  if (depth > 6) return "[deep]";
  if (value instanceof Error) return redactError(value, depth);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "Invalid Date" : value.toISOString();
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (Array.isArray(value)) return value.slice(0, 100).map((item) => redact(item, depth + 1));
  // A driver's error carries its whole client; nobody reads that, and secrets hide in it.
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== null && prototype !== Object.prototype)
    return `[${prototype.constructor?.name ?? "object"}]`;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [
      name,
      isSecretName(name) && inner !== null && inner !== undefined ? MASK : redact(inner, depth + 1),
    ]),
  );
}

function isSecretName(name: string): boolean {
  return !HARMLESS_NAME.test(name) && (SECRET_NAME.test(name) || SECRET_CAMEL.test(name));
}

function redactError(error: Error, depth: number): Record<string, unknown> {
  const { name, message, stack, cause, ...rest } = error as Error & Record<string, unknown>;
  return {
    name: name ?? error.name,
    message: maskText(message),
    ...(redact(rest, depth + 1) as object),
    stack: stack === undefined ? undefined : maskText(stack),
    cause: cause === undefined ? undefined : redact(cause, depth + 1),
  };
}

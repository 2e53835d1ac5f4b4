/** Owns the settings: environment in, a checked Config out. Reads nothing else but the files of config-files.ts, and tells no secret. */
import { didYouMean, Problem } from "@master-orchestrator/contract";
import { withFiles } from "#config-files.ts";
import { loadTracing, type TracingConfig } from "#config-tracing.ts";
import { LOG_LEVELS, type LogLevel } from "#log.ts";
import { type AllowRule, parseAllow } from "#outbound/allow.ts";

export interface Config {
  /** Null: the embedded PostgreSQL under `dataDir`. */
  databaseUrl: string | null;
  dataDir: string;
  /** Below which Markdown files of articles go; null: `articles` in `dataDir`. */
  articlesDir: string | null;
  host: string;
  /** 0 lets the system choose one. */
  port: number;
  /** Without a trailing slash. */
  publicUrl: string;
  /** PUBLIC_URL was not set: with port 0 it has to be derived again once the port is known. */
  publicUrlIsDefault: boolean;
  /** Null: one is generated at the first start. */
  adminKey: string | null;
  outboundAllow: AllowRule[];
  gemini: ProviderConfig;
  openai: ProviderConfig;
  dailyBudgetUsd: number;
  tickIntervalMs: number;
  /** Between saying that one is not ready any more and closing the doors, when a supervisor ends it. */
  stopNoticeMs: number;
  policyFile: string | null;
  alerts: {
    slackWebhookUrl: string | null;
    alertWebhookUrl: string | null;
    /** Null: what is posted there is not signed. */
    alertWebhookSecret: string | null;
    pagerDutyKey: string | null;
    smtpUrl: string | null;
    emailTo: string[];
    emailFrom: string;
  };
  logLevel: LogLevel;
  /** Null: traces are not recorded. */
  tracing: TracingConfig | null;
  /** The n8n that workflows migrate from; null: none. */
  n8n: N8nConfig | null;
}

export interface N8nConfig {
  /** As this service reaches it, without a trailing slash. */
  url: string;
  apiKey: string;
  /** Of n8n itself (GENERIC_TIMEZONE): workflows without a time zone of their own run by it. */
  timeZone: string;
}

export interface ProviderConfig {
  /** Null: the provider is off. */
  apiKey: string | null;
  /** Without a trailing slash. */
  baseUrl: string;
}

const SETTINGS = [
  "DATABASE_URL",
  "DATA_DIR",
  "ARTICLES_DIR",
  "HOST",
  "PORT",
  "PUBLIC_URL",
  "ORCHESTRATOR_ADMIN_KEY",
  "OUTBOUND_ALLOW",
  "GEMINI_API_KEY",
  "OPENAI_API_KEY",
  "GEMINI_BASE_URL",
  "OPENAI_BASE_URL",
  "DAILY_BUDGET_USD",
  "TICK_INTERVAL",
  "STOP_NOTICE",
  "POLICY_FILE",
  "SLACK_WEBHOOK_URL",
  "ALERT_WEBHOOK_URL",
  "ALERT_WEBHOOK_SECRET",
  "PAGERDUTY_ROUTING_KEY",
  "SMTP_URL",
  "ALERT_EMAIL_TO",
  "ALERT_EMAIL_FROM",
  "LOG_LEVEL",
  "N8N_URL",
  "N8N_API_KEY",
  "N8N_TIMEZONE",
] as const;
type Setting = (typeof SETTINGS)[number];

/** The terminal's own settings, in the same environment. */
const CLI_SETTINGS = ["ORCHESTRATOR_URL", "ORCHESTRATOR_API_KEY"];
/** Nobody but us would use this: whatever starts so and is not ours is a mistake. */
const OWN_PREFIX = "ORCHESTRATOR_";
/** Others might use these: a mistake where it looks like one of ours. */
const LIKELY_PREFIXES = ["OUTBOUND_", "TICK_", "STOP_", "DAILY_"];
/** What Kubernetes puts into every container for a Service that is named like us. */
const INJECTED = /_(SERVICE_(HOST|PORT)(_\w+)?|PORT(_\d+_(TCP|UDP)(_(PROTO|PORT|ADDR))?)?)$/;
const DEFAULT_TICK = "5m";

type Environment = Record<string, string | undefined>;

/** Throws Problem `invalid_setting` for the first wrong or mistaken setting; an empty one counts as unset. */
export function loadConfig(given: Environment): Config {
  const env = withFiles(given);
  refuseMistakes(env);
  const host = readHost(env);
  const port = readPort(env);
  const publicUrl = readUrl(env, "PUBLIC_URL", ["http", "https"]);
  return {
    databaseUrl: readUrl(env, "DATABASE_URL", ["postgres", "postgresql"], true),
    dataDir: get(env, "DATA_DIR") ?? "./data",
    articlesDir: get(env, "ARTICLES_DIR"),
    host,
    port,
    publicUrl: publicUrl ?? defaultPublicUrl(host, port),
    publicUrlIsDefault: publicUrl === null,
    adminKey: readAdminKey(env),
    outboundAllow: parseAllow(get(env, "OUTBOUND_ALLOW") ?? ""),
    gemini: readProvider(env, "GEMINI", "https://generativelanguage.googleapis.com"),
    openai: readProvider(env, "OPENAI", "https://api.openai.com/v1"),
    dailyBudgetUsd: readBudget(env),
    tickIntervalMs: readTick(env),
    stopNoticeMs: readStopNotice(env),
    policyFile: get(env, "POLICY_FILE"),
    alerts: readAlerts(env, publicUrl ?? defaultPublicUrl(host, port)),
    logLevel: readLogLevel(env),
    tracing: loadTracing(env),
    n8n: readN8n(env),
  };
}

/** `http://HOST:PORT` as it can be called from this machine: an address that means "all" is not one to call. */
export function defaultPublicUrl(host: string, port: number): string {
  const callable = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host;
  return `http://${callable.includes(":") ? `[${callable}]` : callable}:${port}`;
}

function get(env: Environment, name: Setting): string | null {
  const value = env[name]?.trim();
  return value ? value : null;
}

function wrong(name: Setting | string, value: string | null, allowed: string): Problem {
  const what = value === null ? "the value" : `"${value}"`;
  return new Problem("invalid_setting", `${name}: ${what} is not allowed`, `Allowed: ${allowed}.`, {
    setting: name,
  });
}

/** The environment is full of foreign names: only our own prefixes and near misses are looked at. */
function refuseMistakes(env: Environment): void {
  for (const name of Object.keys(env)) {
    if (!env[name] || (SETTINGS as readonly string[]).includes(name) || CLI_SETTINGS.includes(name)) continue;
    const own = name.startsWith(OWN_PREFIX) && !INJECTED.test(name);
    const likely = own || LIKELY_PREFIXES.some((prefix) => name.startsWith(prefix));
    const meant = likely ? didYouMean(name, SETTINGS) : nearMiss(name);
    if (!own && meant === null) continue;
    throw new Problem(
      "invalid_setting",
      `unknown setting ${name}${meant ? `; did you mean ${meant}?` : ""}`,
      meant ? `Rename it to ${meant}, or unset it.` : `Unset it. Known settings: ${SETTINGS.join(", ")}.`,
      { setting: name },
    );
  }
}

/**
 * A foreign name that is one slip away from ours. Short names (`HOST`, `PORT`) have innocent neighbours (`POST`,
 * `HOME`), and a name with other words before it (`VITE_PUBLIC_URL`) is somebody else's.
 */
function nearMiss(name: string): Setting | null {
  const upper = name.toUpperCase();
  if ((SETTINGS as readonly string[]).includes(upper)) return upper.length > 6 ? (upper as Setting) : null;
  return (
    SETTINGS.find((known) => known.length >= 8 && !FOREIGN.has(upper) && isOneSlip(upper, known)) ?? null
  );
}
/** Real names of other programs that happen to lie next to ours. */
const FOREIGN = new Set(["DATABASE_URI", "PUBLIC_URI", "DATA_DIRS", "SMTP_URI"]);

/** One letter missing, too many, wrong, or two swapped. */
function isOneSlip(a: string, b: string): boolean {
  if (Math.abs(a.length - b.length) > 1) return false;
  let start = 0;
  while (start < a.length && a[start] === b[start]) start++;
  let end = 0;
  while (end < Math.min(a.length, b.length) - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end++;
  const restA = a.slice(start, a.length - end);
  const restB = b.slice(start, b.length - end);
  return (
    (restA.length <= 1 && restB.length <= 1) ||
    (restA.length === 2 && restB.length === 2 && restA[0] === restB[1] && restA[1] === restB[0])
  );
}

function readHost(env: Environment): string {
  const value = get(env, "HOST");
  if (value === null) return "127.0.0.1";
  const host = value.replace(/^\[(.*)\]$/, "$1");
  if (
    !/^[A-Za-z0-9_.:%-]{1,253}$/.test(host) ||
    (host.includes(":") && !host.includes("::") && !/^([\da-f]*:){7}[\da-f]*$/i.test(host))
  ) {
    throw wrong(
      "HOST",
      value,
      "an address or a name to listen on, e.g. 127.0.0.1 or 0.0.0.0; the port is PORT",
    );
  }
  return host;
}

function readPort(env: Environment): number {
  const value = get(env, "PORT");
  if (value === null) return 8080;
  if (!/^\d{1,5}$/.test(value) || Number(value) > 65_535) {
    throw wrong("PORT", value, "a whole number from 0 (any free port) to 65535");
  }
  return Number(value);
}

/** `secret`: the URL may hold credentials, so that the value is not told in an error. */
function readUrl(env: Environment, name: Setting, schemes: string[], secret = false): string | null {
  const value = get(env, name);
  if (value === null) return null;
  const url = URL.parse(value);
  const known = url !== null && schemes.some((scheme) => url.protocol === `${scheme}:`);
  const burdened = url !== null && (url.username || url.password || url.search || url.hash);
  if (!known || (!secret && burdened)) {
    const begins = schemes.map((scheme) => `${scheme}://`).join(" or ");
    const more = secret ? "" : ", without credentials, query or fragment";
    throw wrong(
      name,
      secret || url?.username || url?.password ? null : value,
      `a URL that begins with ${begins}${more}`,
    );
  }
  return secret ? value : value.replace(/\/+$/, "");
}

function readAdminKey(env: Environment): string | null {
  const value = env.ORCHESTRATOR_ADMIN_KEY;
  if (!value) return null;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what a header cannot carry
  if (value.length < 24 || value !== value.trim() || /[\u0000-\u001f\u007f]/.test(value)) {
    throw wrong(
      "ORCHESTRATOR_ADMIN_KEY",
      null,
      "24 characters or more, without spaces at the ends and without control characters",
    );
  }
  return value;
}

function readProvider(env: Environment, name: "GEMINI" | "OPENAI", ownUrl: string): ProviderConfig {
  return {
    apiKey: get(env, `${name}_API_KEY`),
    baseUrl: readUrl(env, `${name}_BASE_URL`, ["http", "https"]) ?? ownUrl,
  };
}

/** Null without a key: N8N_URL alone may be there for the terminal. */
function readN8n(env: Environment): N8nConfig | null {
  const url = readUrl(env, "N8N_URL", ["http", "https"]);
  const apiKey = get(env, "N8N_API_KEY");
  const timeZone = get(env, "N8N_TIMEZONE") ?? "America/New_York";
  if (apiKey !== null && !/^[\x21-\x7e]+$/.test(apiKey)) {
    throw wrong("N8N_API_KEY", null, "what n8n shows once under Settings → n8n API");
  }
  try {
    new Intl.DateTimeFormat("en", { timeZone });
  } catch {
    throw wrong("N8N_TIMEZONE", timeZone, "an IANA time zone such as Europe/Berlin: n8n's GENERIC_TIMEZONE");
  }
  return url === null || apiKey === null ? null : { url, apiKey, timeZone };
}

function readBudget(env: Environment): number {
  const value = get(env, "DAILY_BUDGET_USD");
  if (value === null) return 500;
  if (!/^\d{1,7}(\.\d{1,6})?$/.test(value) || Number(value) > 1_000_000) {
    throw wrong("DAILY_BUDGET_USD", value, "dollars from 0 to 1000000, to the millionth, e.g. 500 or 12.50");
  }
  return Number(value);
}

const UNIT_MS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

function readTick(env: Environment): number {
  const value = get(env, "TICK_INTERVAL") ?? DEFAULT_TICK;
  const tickMs = durationMs(value);
  if (tickMs === null || tickMs < 1000 || tickMs > 3_600_000) {
    throw wrong("TICK_INTERVAL", value, "from 1s to 1h, with a unit of ms, s, m or h, e.g. 5m");
  }
  return tickMs;
}

function readStopNotice(env: Environment): number {
  const value = get(env, "STOP_NOTICE") ?? "0s";
  const noticeMs = durationMs(value);
  if (noticeMs === null || noticeMs > 60_000) {
    throw wrong("STOP_NOTICE", value, "from 0s to 1m, with a unit of ms, s or m, e.g. 5s");
  }
  return noticeMs;
}

/** Whole milliseconds; null for what is no duration. */
function durationMs(text: string): number | null {
  const [, digits, unit] = /^(\d{1,7}(?:\.\d{1,3})?)(ms|s|m|h)$/.exec(text) ?? [];
  if (digits === undefined) return null;
  const ms = Math.round(Number(digits) * UNIT_MS[unit!]! * 1e6) / 1e6;
  return Number.isInteger(ms) ? ms : null;
}

function readAlerts(env: Environment, publicUrl: string): Config["alerts"] {
  const smtpUrl = readUrl(env, "SMTP_URL", ["smtp", "smtps"], true);
  const emailTo = readRecipients(env);
  if (emailTo.length > 0 && smtpUrl === null) {
    throw wrong("ALERT_EMAIL_TO", null, "only together with SMTP_URL, the server that sends the mail");
  }
  return {
    slackWebhookUrl: readUrl(env, "SLACK_WEBHOOK_URL", ["http", "https"], true),
    alertWebhookUrl: readUrl(env, "ALERT_WEBHOOK_URL", ["http", "https"], true),
    alertWebhookSecret: readSecret(
      env,
      "ALERT_WEBHOOK_SECRET",
      SIGNING_SECRET,
      "whsec_ and the base64 of 16 bytes or more",
    ),
    pagerDutyKey: readSecret(env, "PAGERDUTY_ROUTING_KEY", /^[A-Za-z0-9]{32}$/, "32 letters and digits"),
    smtpUrl,
    emailTo,
    emailFrom:
      readSecret(env, "ALERT_EMAIL_FROM", /^[^\s@<>]+@[^\s@<>]+$/, "a mail address") ?? senderAt(publicUrl),
  };
}

const SIGNING_SECRET = /^whsec_[A-Za-z0-9+/]{22,}={0,2}$/;

/** The value is not told in an error. */
function readSecret(env: Environment, name: Setting, form: RegExp, allowed: string): string | null {
  const value = get(env, name);
  if (value !== null && !form.test(value)) throw wrong(name, null, allowed);
  return value;
}

function senderAt(publicUrl: string): string {
  const host = new URL(publicUrl).hostname;
  return `master-orchestrator@${/[a-z]/i.test(host) && !host.includes(":") ? host : "localhost"}`;
}

function readRecipients(env: Environment): string[] {
  const addresses = (get(env, "ALERT_EMAIL_TO") ?? "").split(/[\s,;]+/).filter((address) => address !== "");
  const bad = addresses.find((address) => !/^[^\s@<>]+@[^\s@<>]+$/.test(address));
  if (bad !== undefined) throw wrong("ALERT_EMAIL_TO", bad, "mail addresses, separated by commas");
  return addresses;
}

function readLogLevel(env: Environment): LogLevel {
  const value = get(env, "LOG_LEVEL");
  if (value === null) return "info";
  const level = LOG_LEVELS.find((known) => known === value.toLowerCase());
  if (!level) {
    const meant = didYouMean(value, LOG_LEVELS);
    throw wrong("LOG_LEVEL", value, `${LOG_LEVELS.join(", ")}${meant ? `; did you mean ${meant}?` : ""}`);
  }
  return level;
}

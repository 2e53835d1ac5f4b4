/** Settings: defaults, what each takes, and what a mistake is told. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Problem } from "@master-orchestrator/contract";
import { type Config, defaultPublicUrl, loadConfig } from "#config.ts";

function refusal(env: Record<string, string>): Problem {
  try {
    loadConfig(env);
  } catch (error) {
    assert.ok(error instanceof Problem, String(error));
    assert.equal(error.code, "invalid_setting");
    return error;
  }
  return assert.fail(`${JSON.stringify(env)} was taken`);
}

it("an empty environment gives the documented defaults, and empty values count as unset", () => {
  const expected: Config = {
    databaseUrl: null,
    dataDir: "./data",
    articlesDir: null,
    host: "127.0.0.1",
    port: 8080,
    publicUrl: "http://127.0.0.1:8080",
    publicUrlIsDefault: true,
    adminKey: null,
    outboundAllow: [],
    gemini: { apiKey: null, baseUrl: "https://generativelanguage.googleapis.com" },
    openai: { apiKey: null, baseUrl: "https://api.openai.com/v1" },
    dailyBudgetUsd: 500,
    tickIntervalMs: 300_000,
    stopNoticeMs: 0,
    policyFile: null,
    alerts: {
      slackWebhookUrl: null,
      alertWebhookUrl: null,
      alertWebhookSecret: null,
      pagerDutyKey: null,
      smtpUrl: null,
      emailTo: [],
      emailFrom: "master-orchestrator@localhost",
    },
    logLevel: "info",
    tracing: null,
    n8n: null,
  };
  assert.deepEqual(loadConfig({}), expected);
  assert.deepEqual(loadConfig({ PORT: "", DATABASE_URL: " ", TICK_INTERVAL: "", LOG_LEVEL: "" }), expected);
});

describe("a setting is taken", () => {
  const table: [env: Record<string, string>, read: (config: Config) => unknown, value: unknown][] = [
    [{ TICK_INTERVAL: "1s" }, (c) => c.tickIntervalMs, 1000],
    [{ STOP_NOTICE: "1.5s" }, (c) => c.stopNoticeMs, 1500],
    [{ TICK_INTERVAL: "1500ms" }, (c) => c.tickIntervalMs, 1500],
    [{ TICK_INTERVAL: "0.5m" }, (c) => c.tickIntervalMs, 30_000],
    [{ TICK_INTERVAL: "1h" }, (c) => c.tickIntervalMs, 3_600_000],
    [{ DAILY_BUDGET_USD: "0.000001" }, (c) => c.dailyBudgetUsd, 0.000001],
    [{ PORT: "0" }, (c) => c.port, 0],
    [{ HOST: "[::1]", PORT: "9" }, (c) => c.publicUrl, "http://[::1]:9"],
    [{ PUBLIC_URL: "https://o.example.org/base/" }, (c) => c.publicUrl, "https://o.example.org/base"],
    [{ PUBLIC_URL: "https://o.example.org" }, (c) => c.publicUrlIsDefault, false],
    [
      { DATABASE_URL: "postgres://u:p@h/d?sslmode=require" },
      (c) => c.databaseUrl,
      "postgres://u:p@h/d?sslmode=require",
    ],
    [{ OPENAI_BASE_URL: "http://localhost:11434/v1/" }, (c) => c.openai.baseUrl, "http://localhost:11434/v1"],
    [{ ORCHESTRATOR_ADMIN_KEY: "k".repeat(24) }, (c) => c.adminKey, "k".repeat(24)],
    [
      { ALERT_EMAIL_TO: "a@b.c, d@e.f", SMTP_URL: "smtp://h", PUBLIC_URL: "https://o.example.org" },
      (c) => [...c.alerts.emailTo, c.alerts.emailFrom],
      ["a@b.c", "d@e.f", "master-orchestrator@o.example.org"],
    ],
    [{ LOG_LEVEL: "DEBUG" }, (c) => c.logLevel, "debug"],
    [{ OUTBOUND_ALLOW: "N8N.internal:5678,10.1.0.0/16" }, (c) => c.outboundAllow.length, 2],
  ];
  for (const [env, read, value] of table) {
    it(JSON.stringify(env), () => assert.deepEqual(read(loadConfig(env)), value));
  }
  it("0.0.0.0 is listened on, but not called", () =>
    assert.equal(defaultPublicUrl("0.0.0.0", 80), "http://127.0.0.1:80"));
});

describe("a wrong value is refused by its setting's name, with what is allowed", () => {
  const table: Record<string, string>[] = [
    { PORT: "65536" },
    { PORT: "80a" },
    { PORT: "-1" },
    { HOST: "http://x" },
    { HOST: "127.0.0.1:80" },
    { PUBLIC_URL: "o.example.org" },
    { PUBLIC_URL: "https://o.example.org/?a=1" },
    { PUBLIC_URL: "ftp://o.example.org" },
    { TICK_INTERVAL: "5" },
    { TICK_INTERVAL: "999ms" },
    { TICK_INTERVAL: "61m" },
    { TICK_INTERVAL: "5 minutes" },
    { DAILY_BUDGET_USD: "-1" },
    { DAILY_BUDGET_USD: "1e3" },
    { DAILY_BUDGET_USD: "NaN" },
    { DAILY_BUDGET_USD: "500€" },
    { LOG_LEVEL: "loud" },
    { ALERT_EMAIL_TO: "nobody" },
    { OUTBOUND_ALLOW: "https://n8n" },
  ];
  for (const env of table) {
    const [name = "", value = ""] = Object.entries(env)[0]!;
    it(`${name}=${value}`, () => {
      const problem = refusal(env);
      assert.ok(problem.message.includes(name), problem.message);
      assert.ok(problem.message.includes(value), problem.message);
      assert.ok(problem.hint.length > 10);
      assert.equal(problem.details.setting, name);
    });
  }
});

describe("a secret's value is never told", () => {
  const table: Record<string, string>[] = [
    { ORCHESTRATOR_ADMIN_KEY: "too-short-hunter2" },
    { ORCHESTRATOR_ADMIN_KEY: ` hunter2${"x".repeat(30)}` },
    { DATABASE_URL: "mysql://root:hunter2@h/d" },
    { SLACK_WEBHOOK_URL: "hooks.slack.com/hunter2" },
    { SMTP_URL: "http://u:hunter2@h" },
    { ALERT_WEBHOOK_SECRET: "hunter2" },
    { PAGERDUTY_ROUTING_KEY: "hunter2" },
    { ALERT_EMAIL_TO: "hunter2@b.c" },
    { PUBLIC_URL: "https://u:hunter2@h/" },
  ];
  for (const env of table) {
    it(Object.keys(env)[0]!, () => {
      const problem = refusal(env);
      assert.ok(!JSON.stringify([problem.message, problem.hint, problem.details]).includes("hunter2"));
    });
  }
});

describe("a name that nearly is one of ours", () => {
  const table: [name: string, meant: string][] = [
    ["OUTBOUND_ALOW", "OUTBOUND_ALLOW"],
    ["OUTBOUND_ALLOWED", "OUTBOUND_ALLOW"],
    ["TICK_INTERVALL", "TICK_INTERVAL"],
    ["ORCHESTRATOR_ADMIN_KEYS", "ORCHESTRATOR_ADMIN_KEY"],
    ["DATABSE_URL", "DATABASE_URL"],
    ["DATABASE_ULR", "DATABASE_URL"],
    ["GEMINI_API_KEYS", "GEMINI_API_KEY"],
    ["DAILY_BUDGET", "DAILY_BUDGET_USD"],
    ["database_url", "DATABASE_URL"],
  ];
  for (const [name, meant] of table) {
    it(`${name} is refused: ${meant} was meant`, () => {
      const problem = refusal({ [name]: "x" });
      assert.match(problem.message, new RegExp(`${name}.*did you mean ${meant}\\?`));
    });
  }
  it("something of ours that resembles nothing is refused as well", () =>
    assert.match(refusal({ ORCHESTRATOR_COLOUR: "red" }).hint, /DATABASE_URL/));

  const foreign = [
    "PATH",
    "HOME",
    "POST",
    "HOSTS",
    "ORCHESTRATOR_URL",
    "ORCHESTRATOR_API_KEY",
    "N8N_API_KEY",
    "VITE_PUBLIC_URL",
    "REDIS_URL",
    "TEST_DATABASE_URL",
    "OPENAI_ORG_ID",
    "OUTBOUND_PROXY",
    "ORCHESTRATOR_SERVICE_HOST",
    "ORCHESTRATOR_SERVICE_PORT_HTTP",
    "ORCHESTRATOR_PORT",
    "ORCHESTRATOR_PORT_8080_TCP_ADDR",
  ];
  for (const name of foreign) {
    it(`${name} is somebody else's`, () => void loadConfig({ [name]: "x" }));
  }
});

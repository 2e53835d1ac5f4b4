/** Owns `orchestrator alerts …`: what fires, who is told, silences, summaries. Decides nothing, shows no secret. */
import type {
  Alert,
  AlertChannel,
  AlertChannelTested,
  AlertDetail,
  AlertRuleList,
  AlertRuleView,
  Digest,
  Silence,
} from "@master-orchestrator/contract";
import type { Command } from "commander";
import type { z } from "zod";
import { path } from "./api.ts";
import { printFields, printValue } from "./details.ts";
import { UsageError } from "./failure.ts";
import { readJsonFile } from "./json-file.ts";
import { addGroup, addListing, fetchList, showList, withPaging } from "./list.ts";
import { type Options, type Session, type Shell, timeOption, withAction } from "./session.ts";
import { ago, plain } from "./text.ts";

/** Registers the group with its parts. */
export function addAlerts(program: Command, shell: Shell): void {
  const group = addGroup(program, "alerts", "what fires, who is told, silences, channels, summaries");
  withPaging(addListing(group, shell, "list alerts, the latest first", list))
    .option("--state <state>", "open, pending, firing or resolved")
    .option("--severity <severity>", "info, warning or critical")
    .option("--rule <rule>", "of one rule");
  addShow(group, shell);
  addActions(group, shell);
  addRules(group, shell);
  addSilences(group, shell);
  addChannels(group, shell);
  addDigests(group, shell);
}

async function list(session: Session, _args: string[], options: Options): Promise<undefined> {
  const now = session.terminal.now();
  const query = {
    state: options.state as string | undefined,
    severity: options.severity as string | undefined,
    rule: options.rule as string | undefined,
  };
  const rows = await fetchList<Alert>(session, "/api/v1/alerts", "alerts", query, options);
  const layout = [
    { title: "ALERT", value: (row: Alert) => row.alert_id },
    { title: "SEVERITY", value: (row: Alert) => row.severity },
    { title: "STATE", value: stateOf },
    { title: "SINCE", value: (row: Alert) => ago(row.fired_at ?? row.started_at, now) },
    { title: "RULE", value: (row: Alert) => row.rule },
    { title: "WHAT", value: (row: Alert) => row.words, shrinks: true },
  ];
  showList(session, rows, layout, "no alerts");
}

function stateOf(alert: Alert): string {
  if (alert.state === "resolved") return "resolved";
  if (alert.silenced_by !== null) return `${alert.state}, silenced`;
  return alert.acknowledged_at === null ? alert.state : `${alert.state}, acknowledged`;
}

function addShow(group: Command, shell: Shell): void {
  withAction(
    group.command("show").description("one with its history, and who was told").argument("<alert-id>"),
    shell,
    async (session, [id]) => {
      const alert = await session.api<AlertDetail>("GET", path`/api/v1/alerts/${id!}`);
      session.show(alert, () => render(session, alert));
      return undefined;
    },
  );
}

function render({ screen, terminal }: Session, alert: AlertDetail): void {
  const now = terminal.now();
  printFields(screen, {
    alert: plain(alert.alert_id),
    rule: plain(alert.rule),
    about: plain(
      Object.entries(alert.labels)
        .map(([name, value]) => `${name} ${value}`)
        .join(", "),
    ),
    severity: alert.severity,
    state: stateOf(alert),
    what: plain(alert.words),
    "to do": alert.summary && plain(alert.summary),
    began: ago(alert.started_at, now),
    fired: alert.fired_at && ago(alert.fired_at, now),
    over: alert.resolved_at && `${ago(alert.resolved_at, now)}: ${plain(alert.resolved_reason ?? "")}`,
    "looked after by": alert.acknowledged_by && plain(alert.acknowledged_by),
    note: alert.note && plain(alert.note),
    "no figures since": alert.no_data_since && ago(alert.no_data_since, now),
  });
  const steps = alert.transitions.map(({ at, to, reason, actor }) => `${at}  ${to}: ${reason} (${actor})`);
  printValue(screen, "history", steps.join("\n"));
  const told = alert.notifications.map((one) => {
    const error = one.last_error === null ? "" : `: ${one.last_error}`;
    return `${one.delivered_at ?? one.due_at}  ${one.channel} ${one.kind}: ${one.state}, ${one.tries} tries${error}`;
  });
  printValue(screen, "told", told.join("\n"));
}

function addActions(group: Command, shell: Shell): void {
  for (const [action, description] of [
    ["acknowledge", "somebody looks after it: no reminders, no escalation"],
    ["resolve", "end it by hand; while its condition holds it begins anew"],
  ] as const) {
    withAction(
      group
        .command(action)
        .description(description)
        .argument("<alert-id>")
        .option("--note <text>", "what is done"),
      shell,
      async (session, [id], options) => {
        const body = typeof options.note === "string" ? { note: options.note } : {};
        const alert = await session.api<Alert>("POST", path`/api/v1/alerts/${id!}/${action}`, { body });
        session.show(alert, () => session.screen.line(`${plain(alert.rule)}: ${stateOf(alert)}`));
        return undefined;
      },
    );
  }
}

function addRules(group: Command, shell: Shell): void {
  withAction(
    group.command("rules").description("the rules of the policy, and what each saw last"),
    shell,
    async (session) => {
      const answer = await session.api<AlertRuleList>("GET", "/api/v1/alerts/rules");
      const layout = [
        { title: "RULE", value: (row: AlertRuleView) => row.rule },
        { title: "KIND", value: (row: AlertRuleView) => row.definition.kind },
        { title: "SEVERITY", value: (row: AlertRuleView) => row.definition.severity },
        { title: "STATE", value: (row: AlertRuleView) => row.state },
        { title: "SAW", value: (row: AlertRuleView) => row.words, shrinks: true },
      ];
      session.show(answer, () =>
        session.screen.table(layout, answer.rules, "no rules: add some to the policy's alerts.rules"),
      );
      return undefined;
    },
  );
}

function addSilences(group: Command, shell: Shell): void {
  const silences = addGroup(group, "silences", "what nobody is told of, for a while");
  withPaging(addListing(silences, shell, "list them, newest first", listSilences)).option(
    "--all",
    "those that are over as well",
  );
  withAction(
    silences
      .command("add")
      .description("tell nobody of alerts that match")
      .option("--rule <rule>", "of one rule")
      .option("--severity <severity>", "of one severity")
      .option("--label <name=value...>", "with these labels")
      .option("--until <time>", "a time, or a distance such as 2h (default: 1h)", "1h")
      .requiredOption("--comment <text>", "why"),
    shell,
    async (session, _args, options) => {
      const body = {
        match: {
          ...(typeof options.rule === "string" && { rule: options.rule }),
          ...(typeof options.severity === "string" && { severity: options.severity }),
          ...(Array.isArray(options.label) && { labels: labelsOf(options.label as string[]) }),
        },
        ends_at: timeOption("--until", options.until as string, session.terminal.now(), 1),
        comment: options.comment,
      };
      const made = await session.api<Silence>("POST", "/api/v1/alerts/silences", { body });
      session.show(made, () => session.screen.line(`${made.silence_id}: silent until ${made.ends_at}`));
      return undefined;
    },
  );
  withAction(
    silences.command("end").description("end one now").argument("<silence-id>"),
    shell,
    async (session, [id]) => {
      const ended = await session.api<Silence>("DELETE", path`/api/v1/alerts/silences/${id!}`);
      session.show(ended, () => session.screen.line(`${ended.silence_id}: ${ended.state}`));
      return undefined;
    },
  );
}

function labelsOf(given: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    given.map((label) => {
      const [, name, value] = /^([^=]+)=(.*)$/s.exec(label) ?? [];
      if (name === undefined) throw new UsageError(`--label is "${label}"`, "write name=value");
      return [name, value as string];
    }),
  );
}

async function listSilences(session: Session, _args: string[], options: Options): Promise<undefined> {
  const now = session.terminal.now();
  const query = { all: options.all === true ? "true" : undefined };
  const rows = await fetchList<Silence>(session, "/api/v1/alerts/silences", "silences", query, options);
  const layout = [
    { title: "SILENCE", value: (row: Silence) => row.silence_id },
    { title: "STATE", value: (row: Silence) => row.state },
    { title: "ENDS", value: (row: Silence) => ago(row.ends_at, now) },
    { title: "MATCHES", value: (row: Silence) => row.matches, right: true },
    { title: "ABOUT", value: (row: Silence) => JSON.stringify(row.match), shrinks: true },
    { title: "WHY", value: (row: Silence) => row.comment, shrinks: true },
  ];
  showList(session, rows, layout, "no silences");
}

function addChannels(group: Command, shell: Shell): void {
  const channels = addGroup(group, "channels", "who is told");
  withPaging(addListing(channels, shell, "list them, and whether they work", listChannels));
  withAction(
    channels
      .command("set")
      .description("make a channel, or replace its settings")
      .argument("<name>")
      .argument("<file>", "a JSON file with kind, settings and secret, or -"),
    shell,
    async (session, [name, file]) => {
      const body = await readJsonFile(file!, session.terminal);
      const made = await session.api<AlertChannel>("PUT", path`/api/v1/alerts/channels/${name!}`, { body });
      session.show(made, () => session.screen.line(`${plain(made.name)} is set`));
      return undefined;
    },
  );
  withAction(
    channels.command("test").description("send a test message now").argument("<name>"),
    shell,
    async (session, [name]) => {
      const tested = await session.api<z.infer<typeof AlertChannelTested>>(
        "POST",
        path`/api/v1/alerts/channels/${name!}/test`,
      );
      session.show(tested, () =>
        session.screen.line(`${tested.ok ? "ok" : "failed"}: ${plain(tested.detail)}`),
      );
      return tested.ok ? 0 : 1;
    },
  );
  withAction(
    channels.command("remove").description("remove one").argument("<name>"),
    shell,
    async (session, [name]) => {
      const answer = await session.api("DELETE", path`/api/v1/alerts/channels/${name!}`);
      session.show(answer, () => session.screen.line("removed"));
      return undefined;
    },
  );
}

async function listChannels(session: Session, _args: string[], options: Options): Promise<undefined> {
  const now = session.terminal.now();
  const rows = await fetchList<AlertChannel>(session, "/api/v1/alerts/channels", "channels", {}, options);
  const layout = [
    { title: "NAME", value: (row: AlertChannel) => row.name },
    { title: "KIND", value: (row: AlertChannel) => row.kind },
    { title: "ON", value: (row: AlertChannel) => (row.enabled ? "yes" : "no") },
    { title: "FROM", value: (row: AlertChannel) => row.least_severity },
    { title: "WAITING", value: (row: AlertChannel) => row.waiting, right: true },
    { title: "DELIVERED", value: (row: AlertChannel) => ago(row.last_delivered_at, now) },
    { title: "TROUBLE", value: (row: AlertChannel) => row.last_error, shrinks: true },
  ];
  showList(session, rows, layout, "no channels: nobody is told (alerts channels set NAME FILE)");
}

function addDigests(group: Command, shell: Shell): void {
  const digests = addGroup(group, "digests", "daily summaries and weekly reports");
  withPaging(
    addListing(digests, shell, "list them, newest first", async (session, _args, options) => {
      const query = { kind: options.kind as string | undefined };
      const rows = await fetchList<Digest>(session, "/api/v1/alerts/digests", "digests", query, options);
      const layout = [
        { title: "DIGEST", value: (row: Digest) => row.digest_id },
        { title: "KIND", value: (row: Digest) => row.kind },
        { title: "TITLE", value: (row: Digest) => row.title, shrinks: true },
      ];
      showList(session, rows, layout, "none yet: the first is made when its time of day comes");
      return undefined;
    }),
  ).option("--kind <kind>", "daily_summary or weekly_report");
  withAction(
    digests.command("show").description("one of them").argument("<digest-id>"),
    shell,
    async (session, [id]) => {
      const digest = await session.api<Digest>("GET", path`/api/v1/alerts/digests/${id!}`);
      session.show(digest, () => {
        session.screen.line(plain(digest.title));
        for (const line of digest.lines) session.screen.line(`- ${plain(line)}`);
      });
      return undefined;
    },
  );
}

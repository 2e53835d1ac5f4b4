/** Makes channels of the service's own settings, at its start. What was made of settings that are gone is removed. */
import {
  type ChannelSettings,
  channelNamed,
  keepEnvironmentChannels,
  putChannel,
} from "#store/alerts-channels.ts";
import type { Database } from "#store/database.ts";

export interface AlertSettings {
  slackWebhookUrl: string | null;
  alertWebhookUrl: string | null;
  alertWebhookSecret: string | null;
  pagerDutyKey: string | null;
  emailTo: readonly string[];
}

const BY = "environment";
const PAGERDUTY_URL = "https://events.pagerduty.com/v2/enqueue";

/** Where nothing has changed, nothing is written: a channel's failures are remembered across starts. */
export async function ensureEnvironmentChannels(db: Database, settings: AlertSettings): Promise<void> {
  const wanted = channelsOf(settings);
  await db.transaction(async (tx) => {
    await keepEnvironmentChannels(
      tx,
      wanted.map(({ name }) => name),
    );
    for (const channel of wanted) {
      const there = await channelNamed(tx, channel.name);
      // One of this name that somebody made by the API stands.
      if (there?.origin === "api") continue;
      const same =
        there?.secret === channel.secret &&
        JSON.stringify(there.settings) === JSON.stringify(channel.settings);
      if (!same) await putChannel(tx, { ...channel, actor: BY });
    }
  });
}

type Wanted = ChannelSettings & { secret: string | null };

function channelsOf(settings: AlertSettings): Wanted[] {
  const { slackWebhookUrl, alertWebhookUrl, alertWebhookSecret, pagerDutyKey, emailTo } = settings;
  const common = { enabled: true, alerts: true, leastSeverity: "info", origin: BY } as const;
  const summaries = { dailySummary: true, weeklyReport: true };
  const channels: Wanted[] = [];
  if (slackWebhookUrl !== null) {
    channels.push({
      ...common,
      ...summaries,
      name: "slack",
      kind: "slack",
      settings: {},
      secret: slackWebhookUrl,
    });
  }
  if (emailTo.length > 0) {
    channels.push({
      ...common,
      ...summaries,
      name: "email",
      kind: "email",
      settings: { to: [...emailTo] },
      secret: null,
    });
  }
  if (alertWebhookUrl !== null) {
    const own = { name: "webhook", kind: "webhook", settings: { url: alertWebhookUrl } } as const;
    channels.push({ ...common, ...summaries, ...own, secret: alertWebhookSecret });
  }
  if (pagerDutyKey !== null) {
    const own = { name: "pagerduty", kind: "pagerduty", settings: { url: PAGERDUTY_URL } } as const;
    channels.push({
      ...common,
      ...own,
      dailySummary: false,
      weeklyReport: false,
      leastSeverity: "critical",
      secret: pagerDutyKey,
    });
  }
  return channels;
}

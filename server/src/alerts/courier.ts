/** Delivers messages about alerts: each channel one at a time, in order, again after a failure. Decides nothing about alerts. */
import type { ChannelKind } from "@master-orchestrator/contract";
import { isTriedAgain, restMs } from "#core/alerts-routing.ts";
import type { Log } from "#log.ts";
import { alertsById } from "#store/alerts.ts";
import { type ChannelRow, channelNamed } from "#store/alerts-channels.ts";
import { digestById } from "#store/alerts-digests.ts";
import {
  dropNotification,
  recordDelivered,
  recordUndelivered,
  type TakenNotification,
  takeNotifications,
} from "#store/alerts-outbox.ts";
import type { Database } from "#store/database.ts";
import { currentPolicy } from "#store/policies.ts";
import { deliverByMail } from "./channels/email.ts";
import { deliverToPagerDuty } from "./channels/pagerduty.ts";
import { deliverToSlack } from "./channels/slack.ts";
import { deliverToWebhook } from "./channels/webhook.ts";
import { type Deliver, type Means, Undelivered, withoutSecret } from "./delivery.ts";
import { alertMessage, digestMessage, type Message } from "./message.ts";

export interface CourierContext extends Means {
  db: Database;
  log: Log;
  publicUrl: string;
}

const KINDS: Record<ChannelKind, Deliver> = {
  slack: deliverToSlack,
  email: deliverByMail,
  webhook: deliverToWebhook,
  pagerduty: deliverToPagerDuty,
};
/** Messages of one channel that are delivered in one go. */
const MOST_ROUNDS = 100;
const GIVE_UP_HOURS = 24;

/** Delivers whatever may be delivered now. */
export async function deliverDue(context: CourierContext, signal: AbortSignal): Promise<void> {
  for (let round = 0; round < MOST_ROUNDS && !signal.aborted; round++) {
    const taken = await takeNotifications(context.db);
    if (taken.length === 0) return;
    await Promise.all(taken.map((notification) => deliverOne(context, notification, signal)));
  }
}

/** Through one channel, now; resolves with what the receiver said. Throws Undelivered, whose words hold no secret. */
export async function deliver(
  channel: ChannelRow,
  message: Message,
  means: Means,
  signal: AbortSignal,
): Promise<string> {
  try {
    return withoutSecret(await KINDS[channel.kind](channel, message, means, signal), channel);
  } catch (error) {
    if (!(error instanceof Undelivered)) throw error;
    throw new Undelivered(withoutSecret(error.message, channel), error.refused);
  }
}

async function deliverOne(
  context: CourierContext,
  taken: TakenNotification,
  signal: AbortSignal,
): Promise<void> {
  const { db, log } = context;
  const { channel: name, kind, notificationId } = taken;
  const channel = await channelNamed(db, name);
  const message = channel && (await compose(context, taken));
  if (!channel || !message) return await dropNotification(db, notificationId);
  try {
    await deliver(channel, message, context, signal);
    await db.transaction((tx) => recordDelivered(tx, taken));
    log.info("An alert's message was delivered", { channel: name, kind, tries: taken.tries });
  } catch (error) {
    // Whoever stops does not know whether it arrived: the next one sends it again, under the same id.
    if (signal.aborted) return;
    await recordFailure(context, taken, error);
  }
}

async function recordFailure(
  { db, log }: CourierContext,
  taken: TakenNotification,
  error: unknown,
): Promise<void> {
  const words = error instanceof Error ? error.message : String(error);
  const giveUpHours = (await currentPolicy(db))?.policy.alerts.give_up_hours ?? GIVE_UP_HOURS;
  const again = isTriedAgain(
    {
      tries: taken.tries,
      ageMs: taken.takenAtMs - taken.createdAtMs,
      refused: error instanceof Undelivered && error.refused,
    },
    { give_up_hours: giveUpHours },
  );
  await db.transaction((tx) => recordUndelivered(tx, taken, { error: words.slice(0, 500), again, restMs }));
  const { channel, kind, tries } = taken;
  log.warn("An alert's message was not delivered", { channel, kind, tries, again, reason: words });
}

/** Null where what it is about is no longer there. */
async function compose({ db, publicUrl }: CourierContext, taken: TakenNotification): Promise<Message | null> {
  const about = { publicUrl, nowMs: taken.takenAtMs };
  if (taken.digestId !== null) {
    const digest = await digestById(db, taken.digestId);
    return digest && digestMessage(taken, digest, about);
  }
  const alerts = await alertsById(db, taken.alertIds);
  return alerts.length === 0 ? null : alertMessage(taken, alerts, about);
}

/** What it takes to deliver a message through a channel, and how that fails. Knows no channel. */
import type { Outbound, OutboundResponse } from "#outbound/client.ts";
import { OutboundFailure } from "#outbound/failure.ts";
import type { ChannelRow } from "#store/alerts-channels.ts";
import type { Message } from "./message.ts";

export interface Means {
  outbound: Pick<Outbound, "post">;
  mail: MailSettings;
}

/** Of the service's own settings: channels name recipients alone. */
export interface MailSettings {
  /** Null: there is no way to send mail. */
  smtpUrl: string | null;
  from: string;
}

/** Resolves with what the receiver said; throws Undelivered. */
export type Deliver = (
  channel: ChannelRow,
  message: Message,
  means: Means,
  signal: AbortSignal,
) => Promise<string>;

/** Not delivered, or not known to be; the words hold no secret. */
export class Undelivered extends Error {
  override readonly name = "Undelivered";
  /** The receiver calls this very message wrong: repeating it does not help. */
  readonly refused: boolean;

  constructor(message: string, refused = false) {
    super(message);
    this.refused = refused;
  }
}

export const ANSWER_WITHIN_MS = 10_000;
const MOST_ANSWER_BYTES = 16_384;
const QUOTED = 160;
/** Statuses that speak of the message, not of the receiver's state or of the channel's settings. */
const ABOUT_THE_MESSAGE = [400, 413, 422];

/** Posts JSON and returns the answer of a receiver that took it by its status. */
export async function postJson(
  { outbound }: Pick<Means, "outbound">,
  { url, body, headers = {} }: { url: string; body: Uint8Array | string; headers?: Record<string, string> },
  signal: AbortSignal,
): Promise<OutboundResponse> {
  let answer: OutboundResponse;
  try {
    answer = await outbound.post(url, {
      headers: { "content-type": "application/json; charset=utf-8", ...headers },
      ...{ body, signal, timeoutMs: ANSWER_WITHIN_MS, maxResponseBytes: MOST_ANSWER_BYTES },
    });
  } catch (error) {
    if (error instanceof OutboundFailure) throw new Undelivered(error.message);
    throw error;
  }
  const { status } = answer;
  if (status >= 300 && status < 400) {
    throw new Undelivered(
      `it answered ${status}: redirects are not followed, set the address that it points to`,
    );
  }
  if (status < 200 || status >= 300) {
    throw new Undelivered(`it answered ${status}${quoted(answer)}`, ABOUT_THE_MESSAGE.includes(status));
  }
  return answer;
}

export function textOf({ body }: OutboundResponse): string {
  return Buffer.from(body).toString("utf8");
}

/** `: "no_service"`: the beginning of an answer, in one line. */
export function quoted(answer: OutboundResponse): string {
  const text = textOf(answer)
    .replace(/[\p{C}\s]+/gu, " ")
    .trim();
  return text === "" ? "" : `: "${text.slice(0, QUOTED)}${text.length > QUOTED ? "…" : ""}"`;
}

/** The answer as a JSON object; null where it is none. */
export function jsonOf(answer: OutboundResponse): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(textOf(answer));
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}

/** What a receiver quotes back, or a library tells, must not give the secret away. */
export function withoutSecret(text: string, { secret }: Pick<ChannelRow, "secret">): string {
  if (secret === null || secret === "") return text;
  const parts = [secret, ...(URL.parse(secret)?.pathname.split("/") ?? [])].filter(
    (part) => part.length >= 8,
  );
  return parts.reduce((safe, part) => safe.replaceAll(part, "***"), text);
}

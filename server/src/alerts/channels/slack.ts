/** Slack's incoming webhooks: a text, taken when the answer is the word `ok` and nothing else. */
import { type Deliver, postJson, quoted, textOf, Undelivered } from "../delivery.ts";

const MOST_CHARACTERS = 3_500;

export const deliverToSlack: Deliver = async ({ secret }, message, means, signal) => {
  if (secret === null) throw new Undelivered("it has no address: set the incoming webhook as its secret");
  const lines = message.lines.map((line) => (line.startsWith(" ") ? `   ${line.trim()}` : `• ${line}`));
  const text = [`*${escaped(message.title)}*`, ...lines.map(escaped)].join("\n").slice(0, MOST_CHARACTERS);
  const body = JSON.stringify({ text: `${text}\n<${message.url}|Open the dashboard>` });
  const answer = await postJson(means, { url: secret, body }, signal);
  if (textOf(answer).trim() === "ok") return "Slack answered ok";
  throw new Undelivered(`it answered ${answer.status}, but not "ok"${quoted(answer)}`);
};

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** Mail by the SMTP server of the service's settings. Each message has an id of its own, by which mailboxes drop repeats. */
import { createTransport } from "nodemailer";
import { ANSWER_WITHIN_MS, type Deliver, Undelivered } from "../delivery.ts";

export const deliverByMail: Deliver = async ({ settings }, message, { mail }, signal) => {
  if (mail.smtpUrl === null) throw new Undelivered("there is no way to send mail: set SMTP_URL");
  const transport = createTransport(mail.smtpUrl, {
    connectionTimeout: ANSWER_WITHIN_MS,
    greetingTimeout: ANSWER_WITHIN_MS,
    socketTimeout: ANSWER_WITHIN_MS,
    // Texts come from this service alone; nothing is fetched for them.
    disableFileAccess: true,
    disableUrlAccess: true,
  } as object);
  const stop = () => transport.close();
  signal.addEventListener("abort", stop, { once: true });
  try {
    const sent = await transport.sendMail({
      from: mail.from,
      to: settings.to as string[],
      subject: message.title.slice(0, 200),
      text: `${message.lines.join("\n")}\n\n${message.url}\n`,
      messageId: `<${message.id}@master-orchestrator>`,
      date: new Date(message.atMs),
      headers: { "auto-submitted": "auto-generated" },
    });
    const refused = (sent.rejected ?? []).map(String);
    if (refused.length > 0) throw new Undelivered(`the mail server refused ${refused.join(", ")}`);
    return `the mail server took it: ${sent.response}`;
  } catch (error) {
    if (error instanceof Undelivered) throw error;
    throw new Undelivered(`the mail server could not be used: ${wordsOf(error, mail.smtpUrl)}`);
  } finally {
    signal.removeEventListener("abort", stop);
    transport.close();
  }
};

/** Without what the address holds of credentials. */
function wordsOf(error: unknown, smtpUrl: string): string {
  const { password, username } = new URL(smtpUrl);
  const secrets = [password, username].map(decodeURIComponent).filter((part) => part !== "");
  const words = error instanceof Error ? error.message : String(error);
  return secrets.reduce((text, secret) => text.replaceAll(secret, "***"), words).slice(0, 300);
}

/** Owns settings that stand in files: `NAME_FILE` instead of `NAME`, as container secrets come. Knows no setting's meaning. */
import { readFileSync, statSync } from "node:fs";
import { Problem } from "@master-orchestrator/contract";

/** Those that are secrets, or hold one. */
export const SECRET_SETTINGS = [
  "DATABASE_URL",
  "ORCHESTRATOR_ADMIN_KEY",
  "GEMINI_API_KEY",
  "OPENAI_API_KEY",
  "SLACK_WEBHOOK_URL",
  "ALERT_WEBHOOK_URL",
  "SMTP_URL",
] as const;

const MOST_BYTES = 64 * 1024;

/** The environment with what the files say, without a line's end. Throws Problem `invalid_setting`; tells no content. */
export function withFiles(env: Record<string, string | undefined>): Record<string, string | undefined> {
  const read = { ...env };
  for (const setting of SECRET_SETTINGS) {
    const name = `${setting}_FILE`;
    const file = env[name];
    delete read[name];
    if (!file) continue;
    if (env[setting]) throw wrong(name, `${setting} is set as well`, `Unset one of ${setting} and ${name}.`);
    try {
      if (statSync(file).size > MOST_BYTES) throw new Error(`it has more than ${MOST_BYTES} bytes`);
      read[setting] = readFileSync(file, "utf8").replace(/\r?\n$/, "");
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      throw wrong(
        name,
        `the file cannot be read (${code ?? message})`,
        "Name a file that this user may read.",
      );
    }
    if (!read[setting]) throw wrong(name, "the file is empty", `Write the value of ${setting} into it.`);
  }
  return read;
}

function wrong(setting: string, what: string, hint: string): Problem {
  return new Problem("invalid_setting", `${setting}: ${what}`, hint, { setting });
}

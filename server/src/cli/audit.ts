/** Owns `orchestrator audit`: who did what, when, to what. Changes nothing. */
import type { AuditLogEntry } from "@master-orchestrator/contract";
import type { Command } from "commander";
import { addGroup, addListing, fetchList, showList, timeRange, withPaging } from "./list.ts";
import type { Options, Session, Shell } from "./session.ts";
import { ago } from "./text.ts";

/** Registers the group. */
export function addAudit(program: Command, shell: Shell): void {
  const group = addGroup(program, "audit", "who did what: changes that people and keys asked for");
  withPaging(addListing(group, shell, "list them, the latest first", list))
    .option("--key <key-id>", "by one key")
    .option("--target <name>", "about one thing: a task's id, a workflow's name")
    .option("--text <words>", "with these words in who, what, target, body, before or after")
    .option("--from <time>", "at or after (2026-12-01, 7d)")
    .option("--to <time>", "before");
}

async function list(session: Session, _args: string[], options: Options): Promise<undefined> {
  const now = session.terminal.now();
  const text = (name: string) => options[name] as string | undefined;
  const query = {
    key_id: text("key"),
    target: text("target"),
    text: text("text"),
    ...timeRange(options, now),
  };
  const entries = await fetchList<AuditLogEntry>(session, "/api/v1/audit", "entries", query, options);
  const layout = [
    { title: "WHEN", value: (each: AuditLogEntry) => ago(each.at, now) },
    { title: "WHO", value: (each: AuditLogEntry) => each.actor, shrinks: true },
    { title: "WHAT", value: (each: AuditLogEntry) => each.action.replace("/api/v1", ""), shrinks: true },
    { title: "TARGET", value: (each: AuditLogEntry) => each.target, shrinks: true },
    { title: "ANSWER", value: (each: AuditLogEntry) => each.status, right: true },
    { title: "BEFORE", value: (each: AuditLogEntry) => brief(each.before), shrinks: true },
    { title: "AFTER", value: (each: AuditLogEntry) => brief(each.after ?? each.request), shrinks: true },
  ];
  showList(session, entries, layout, "nobody has done anything");
}

function brief(value: unknown): string | null {
  return value === null ? null : JSON.stringify(value);
}

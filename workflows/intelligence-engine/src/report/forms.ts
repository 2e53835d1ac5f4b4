/** Owns how a report leaves the engine: its three forms, and the hash of each as it is served. */
import { createHash } from "node:crypto";
import type { NewReport } from "../library.ts";
import type { ReportDocument } from "./document.ts";
import { reportMarkdown } from "./markdown.ts";
import { reportPage } from "./page.ts";

export function reportForms(document: ReportDocument, taskId: string): NewReport {
  const html = reportPage(document);
  const markdown = reportMarkdown(document);
  const json = `${JSON.stringify(document, null, 2)}\n`;
  return {
    taskId,
    kind: document.kind,
    from: document.from,
    to: document.to,
    headline: document.headline,
    toldBy: document.told_by,
    html,
    markdown,
    document: json,
    hashes: { html: sha256(html), markdown: sha256(markdown), json: sha256(json) },
  };
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** Decides what a change makes of an article, and whether it still fits; and what takes it back. Pure; keeps nothing. */
import type { ArticleChange } from "@master-orchestrator/contract";
import { canonicalJson } from "./canonical.ts";

/** The fields of an article that recommendations change. */
export interface ArticleFields {
  title: string;
  html: string;
  markdown: string;
  jsonLd: Readonly<Record<string, unknown>>;
  canonicalUrl: string | null;
}

export type FieldName = "title" | "html" | "markdown" | "json_ld" | "canonical_url";

/** One field as it was and as it is. */
export interface FieldChange {
  field: FieldName;
  before: unknown;
  after: unknown;
}

export type Outcome = { fits: true; article: ArticleFields } | { fits: false; reason: string };

/** The article after all `changes`, or why one of them does not fit: what was changed meanwhile is not overwritten. */
export function applyChanges(
  article: ArticleFields & { summary: string },
  changes: readonly ArticleChange[],
): Outcome {
  const { summary } = article;
  let { title, html, markdown, canonicalUrl } = article;
  let jsonLd: Record<string, unknown> = { ...article.jsonLd };
  for (const change of changes) {
    switch (change.field) {
      case "title":
        if (title !== change.before) return moved("the title", title, change.before);
        // What repeats the title goes with it.
        if (jsonLd.headline === title.slice(0, 110)) jsonLd.headline = change.after.slice(0, 110);
        if (markdown.startsWith(`# ${title}\n`)) {
          markdown = `# ${change.after}${markdown.slice(title.length + 2)}`;
        }
        title = change.after;
        break;
      case "description": {
        const now = typeof jsonLd.description === "string" ? jsonLd.description : summary;
        if (now !== change.before) return moved("the description", now, change.before);
        jsonLd = { ...jsonLd, description: change.after };
        break;
      }
      case "canonical_url":
        if (canonicalUrl !== change.before)
          return moved("the canonical address", canonicalUrl, change.before);
        canonicalUrl = change.after;
        break;
      case "json_ld": {
        const now = jsonLd[change.name] ?? null;
        if (canonicalJson(now) !== canonicalJson(change.before)) {
          return moved(`${change.name} of its JSON-LD`, now, change.before);
        }
        jsonLd = { ...jsonLd, [change.name]: change.after };
        break;
      }
      case "html":
      case "markdown": {
        const text = change.field === "html" ? html : markdown;
        const at = text.indexOf(change.find);
        if (at < 0 || text.indexOf(change.find, at + 1) >= 0) {
          const times = at < 0 ? "is not there any more" : "is there more than once";
          return {
            fits: false,
            reason: `the passage of its ${change.field} ${times}: ${quote(change.find)}`,
          };
        }
        const changed = text.slice(0, at) + change.replace + text.slice(at + change.find.length);
        if (change.field === "html") html = changed;
        else markdown = changed;
        break;
      }
    }
  }
  return { fits: true, article: { title, html, markdown, jsonLd, canonicalUrl } };
}

/**
 * The article as it was written anew, with `changes` that a person had approved for what stood there before: what they
 * found or already made of it is kept. Does not fit where the new text says something else in their place.
 */
export function reapplyChanges(
  article: ArticleFields & { summary: string },
  changes: readonly ArticleChange[],
): Outcome {
  return applyChanges(
    article,
    changes.filter((change) => !isMade(article, change)),
  );
}

function isMade(article: ArticleFields & { summary: string }, change: ArticleChange): boolean {
  switch (change.field) {
    case "title":
      return article.title === change.after;
    case "description":
      return article.jsonLd.description === change.after;
    case "canonical_url":
      return article.canonicalUrl === change.after;
    case "json_ld":
      return isSame(article.jsonLd[change.name] ?? null, change.after);
    case "html":
    case "markdown":
      return article[change.field].includes(change.replace);
  }
}

/** The fields that differ. */
export function changedFields(before: ArticleFields, after: ArticleFields): FieldChange[] {
  return FIELDS.flatMap(({ field, name }): FieldChange[] => {
    if (isSame(before[name], after[name])) return [];
    return [{ field, before: before[name], after: after[name] }];
  });
}

/** The article as it was before `fields` were changed, or why not: what came later is not taken back with it. */
export function takeBack(article: ArticleFields, fields: readonly FieldChange[]): Outcome {
  const restored: Record<string, unknown> = { ...article };
  for (const { field, before, after } of fields) {
    const entry = FIELDS.find((one) => one.field === field);
    if (!entry) return { fits: false, reason: `nobody knows the field ${field}` };
    if (!isSame(article[entry.name], after)) {
      return { fits: false, reason: `its ${field} was changed again since` };
    }
    restored[entry.name] = before;
  }
  return { fits: true, article: restored as unknown as ArticleFields };
}

const FIELDS: { field: FieldName; name: keyof ArticleFields }[] = [
  { field: "title", name: "title" },
  { field: "html", name: "html" },
  { field: "markdown", name: "markdown" },
  { field: "json_ld", name: "jsonLd" },
  { field: "canonical_url", name: "canonicalUrl" },
];

function isSame(a: unknown, b: unknown): boolean {
  return a === b || canonicalJson(a) === canonicalJson(b);
}

function moved(what: string, now: unknown, before: unknown): Outcome {
  return { fits: false, reason: `${what} is ${quote(now)} by now, not ${quote(before)}` };
}

function quote(value: unknown): string {
  const text = typeof value === "string" ? value : canonicalJson(value);
  return `"${text.length > 80 ? `${text.slice(0, 79)}…` : text}"`;
}

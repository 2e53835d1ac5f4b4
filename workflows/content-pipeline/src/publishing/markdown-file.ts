/** Owns publishing as Markdown files with front matter: each written whole or not at all, never outside of its folder. */
import { randomBytes } from "node:crypto";
import { mkdir, open, realpath, rename, rm } from "node:fs/promises";
import { isAbsolute, join, relative, resolve } from "node:path";
import type { PublisherRow } from "../library.ts";
import type { Placed, Posting, PublisherParts } from "./publisher.ts";

/** As the API has checked them. */
export interface MarkdownSettings {
  /** Below the articles' folder: names joined by `/`, or empty for that folder itself. */
  folder: string;
}

const SEGMENT = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,100}$/;
const SLUG = /^[a-z0-9]+(-[a-z0-9]+)*$/;

/** Writes `<slug>.md`; the same article again replaces its file in one step. */
export async function publishAsMarkdown(
  publisher: PublisherRow,
  posting: Posting,
  parts: PublisherParts,
  signal: AbortSignal,
): Promise<Placed> {
  if (!SLUG.test(posting.slug)) throw new Error(`"${posting.slug}" cannot be a file's name`);
  signal.throwIfAborted();
  const folder = await folderOf(publisher, parts);
  const name = `${posting.slug}.md`;
  const written = join(folder, `.${posting.slug}.${randomBytes(6).toString("hex")}.tmp`);
  try {
    const file = await open(written, "wx", 0o644);
    try {
      await file.writeFile(fileText(posting));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(written, join(folder, name));
  } catch (error) {
    await rm(written, { force: true });
    throw error;
  }
  return { externalId: name, url: null };
}

/** Whether the folder is there, or can be made, and written to. */
export async function tryMarkdown(publisher: PublisherRow, parts: PublisherParts): Promise<string> {
  const folder = await folderOf(publisher, parts);
  const probe = join(folder, `.${randomBytes(6).toString("hex")}.tmp`);
  await (await open(probe, "wx")).close();
  await rm(probe);
  const { folder: given } = publisher.settings as unknown as MarkdownSettings;
  return `the folder ${given === "" ? "of articles" : given} can be written to`;
}

/** Makes the folder. What lies in it may have been replaced by links that lead elsewhere: those are not followed. */
async function folderOf(publisher: PublisherRow, { folder: base }: PublisherParts): Promise<string> {
  if (base === undefined) throw new Error("this pipeline has no folder for Markdown files");
  const { folder: given } = publisher.settings as unknown as MarkdownSettings;
  const segments = given.split("/").filter((segment) => segment !== "");
  if (isAbsolute(given) || !segments.every((segment) => SEGMENT.test(segment))) {
    throw new Error(`the folder "${given}" is not one below the articles' folder`);
  }
  await mkdir(base, { recursive: true });
  const root = await realpath(base);
  const folder = resolve(root, ...segments);
  await mkdir(folder, { recursive: true });
  const inside = relative(root, await realpath(folder));
  if (inside === ".." || inside.startsWith("../") || isAbsolute(inside)) {
    throw new Error(`the folder "${given}" leads out of the articles' folder`);
  }
  return folder;
}

function fileText({ article, slug, articleUrl, publishedAt, updatedAt }: Posting): string {
  const front: Record<string, unknown> = {
    title: article.title,
    description: article.jsonLd.description ?? article.summary,
    slug,
    date: new Date(publishedAt).toISOString(),
    lastmod: new Date(updatedAt).toISOString(),
    canonical: articleUrl,
    language: article.language,
    ...(article.author === null ? {} : { author: article.author }),
    content_type: article.contentType,
    keywords: article.keywords,
    generator: article.generator,
    quality: article.quality.score,
    task_id: article.taskId,
  };
  // A JSON value is a YAML value, quoted so that nothing in it can end the front matter.
  const lines = Object.entries(front).map(([name, value]) => `${name}: ${JSON.stringify(value)}`);
  // The title stands in the front matter: generators of sites put it above the text.
  const body = article.markdown.replace(/^# .*\n+/, "");
  return `---\n${lines.join("\n")}\n---\n\n${body}`;
}

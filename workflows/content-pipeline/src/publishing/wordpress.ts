/** Owns publishing to WordPress by its REST API with an application password. Never makes a second post of one article. */
import type { NewArticle, PublisherRow } from "../library.ts";
import {
  jsonOf,
  type Outgoing,
  outgoingOf,
  type Placed,
  type Posting,
  type PublisherParts,
} from "./publisher.ts";

/** As the API has checked them. */
export interface WordPressSettings {
  /** Without `/wp-json`. */
  site_url: string;
  user: string;
  status: "publish" | "draft";
  /** Names; those that are not there are made. */
  categories: string[];
  /** The article's keywords become tags. */
  keywords_as_tags: boolean;
}

const STATUSES = "publish,future,draft,pending,private";
const MAX_TAGS = 10;

/** A REST API as one article's posting sees it. */
interface Site {
  settings: WordPressSettings;
  outgoing: Outgoing;
  headers: Record<string, string>;
  signal: AbortSignal;
}

/**
 * Posts, or brings up to date what is there. A post of ours is known by the mark in its content, so
 * a crash between posting and remembering leads to the same post again; a post of somebody else's with
 * the same slug is left alone.
 */
export async function publishToWordPress(
  publisher: PublisherRow,
  posting: Posting,
  parts: PublisherParts,
  signal: AbortSignal,
): Promise<Placed> {
  const site = siteOf(publisher, parts, signal);
  const { settings } = site;
  const { article, slug, known } = posting;
  const body = {
    title: article.title,
    content: `${article.html}\n${markOf(article)}`,
    excerpt: article.summary,
    slug,
    status: settings.status,
    categories: await termsOf(site, "categories", settings.categories),
    tags: settings.keywords_as_tags ? await termsOf(site, "tags", article.keywords.slice(0, MAX_TAGS)) : [],
  };
  const id = known?.externalId ?? (await findPost(site, slug, article));
  if (id !== null) {
    // Whoever has put a draft online, taken a post offline or given it another address meant it.
    const { status: _, slug: _address, ...changes } = body;
    const updated = await call(site, "POST", `posts/${encodeURIComponent(id)}`, changes);
    if (updated.status === 200) return placed(updated.json);
    if (updated.status !== 404 && updated.status !== 410) throw refused(site, updated);
    const other = await findPost(site, slug, article);
    if (other !== null && other !== id)
      return placed((await expect(site, 200, "POST", `posts/${other}`, changes)).json);
  }
  return placed((await expect(site, 201, "POST", "posts", body)).json);
}

/** Whether the site answers, knows the user, and lets it write. Throws what is wrong. */
export async function tryWordPress(
  publisher: PublisherRow,
  parts: PublisherParts,
  signal: AbortSignal,
): Promise<string> {
  const site = siteOf(publisher, parts, signal);
  const { json } = await expect(site, 200, "GET", "users/me?context=edit");
  const me = json as { name?: string; capabilities?: Record<string, boolean> };
  const needed = site.settings.status === "publish" ? "publish_posts" : "edit_posts";
  if (me.capabilities?.[needed] !== true) throw new Error(`the user ${site.settings.user} may not ${needed}`);
  return `${host(site)} knows ${me.name ?? site.settings.user}, who may ${needed}`;
}

function siteOf(publisher: PublisherRow, parts: PublisherParts, signal: AbortSignal): Site {
  const settings = publisher.settings as unknown as WordPressSettings;
  const credentials = Buffer.from(`${settings.user}:${publisher.secret ?? ""}`).toString("base64");
  const headers = { authorization: `Basic ${credentials}`, accept: "application/json" };
  return { settings, outgoing: outgoingOf(parts), headers, signal };
}

function markOf({ taskId }: NewArticle): string {
  return `<!-- master-orchestrator:${taskId} -->`;
}

/** The post that holds our mark, among those that WordPress may have given this slug or the next ones. */
async function findPost(site: Site, slug: string, article: NewArticle): Promise<string | null> {
  const slugs = [slug, ...[2, 3, 4, 5].map((n) => `${slug}-${n}`)].join(",");
  const query = new URLSearchParams({ slug: slugs, status: STATUSES, context: "edit", per_page: "20" });
  const { json } = await expect(site, 200, "GET", `posts?${query}`);
  const posts = Array.isArray(json) ? (json as { id: number; content?: { raw?: string } }[]) : [];
  const ours = posts.find(({ content }) => content?.raw?.includes(markOf(article)));
  return ours ? String(ours.id) : null;
}

async function termsOf(
  site: Site,
  taxonomy: "categories" | "tags",
  names: readonly string[],
): Promise<number[]> {
  const ids: number[] = [];
  for (const name of names) ids.push(await termOf(site, taxonomy, name));
  return [...new Set(ids)];
}

/** Made where it is not there; one that somebody makes at the same moment is told by WordPress itself. */
async function termOf(site: Site, taxonomy: string, name: string): Promise<number> {
  const query = new URLSearchParams({ search: name, per_page: "100" });
  const { json } = await expect(site, 200, "GET", `${taxonomy}?${query}`);
  const terms = Array.isArray(json) ? (json as { id: number; name: string }[]) : [];
  const there = terms.find((term) => term.name.toLowerCase() === name.toLowerCase());
  if (there) return there.id;
  const made = await call(site, "POST", taxonomy, { name });
  if (made.status === 201) return (made.json as { id: number }).id;
  const { code, data } = (made.json ?? {}) as { code?: string; data?: { term_id?: number } };
  if (code === "term_exists" && typeof data?.term_id === "number") return data.term_id;
  throw refused(site, made);
}

interface Answered {
  status: number;
  json: unknown;
}

async function call(site: Site, method: "GET" | "POST", path: string, body?: object): Promise<Answered> {
  const url = `${site.settings.site_url.replace(/\/+$/, "")}/wp-json/wp/v2/${path}`;
  const { headers, signal } = site;
  const answer =
    method === "GET"
      ? await site.outgoing.get(url, { headers, signal })
      : await site.outgoing.post(url, {
          headers: { ...headers, "content-type": "application/json" },
          body: JSON.stringify(body),
          signal,
        });
  return { status: answer.status, json: jsonOf(answer.body) };
}

async function expect(
  site: Site,
  status: number,
  method: "GET" | "POST",
  path: string,
  body?: object,
): Promise<Answered> {
  const answer = await call(site, method, path, body);
  if (answer.status === status && answer.json !== null) return answer;
  throw refused(site, answer);
}

function refused(site: Site, { status, json }: Answered): Error {
  const { code, message } = (json ?? {}) as { code?: unknown; message?: unknown };
  const said = [code, message].filter((part) => typeof part === "string").join(": ");
  return new Error(`${host(site)} answered HTTP ${status}${said ? ` (${said.slice(0, 300)})` : ""}`);
}

function host(site: Site): string {
  return new URL(site.settings.site_url).host;
}

function placed(json: unknown): Placed {
  const { id, link } = (json ?? {}) as { id?: unknown; link?: unknown };
  return { externalId: id === undefined ? null : String(id), url: typeof link === "string" ? link : null };
}

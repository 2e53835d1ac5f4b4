/** Publishers over HTTP: register, list, try out, remove. Shows no secret and publishes nothing. */
import {
  PageQuery,
  Problem,
  Publisher,
  PublisherList,
  PublisherName,
  PublisherPut,
  PublisherRemoved,
  PublisherTried,
} from "@master-orchestrator/contract";
import { z } from "zod";
import type { Outbound } from "#outbound/client.ts";
import type { Queryable } from "#store/database.ts";
import {
  listPublishers,
  type PublisherRow,
  publishersNamed,
  putPublisher,
  removePublisher,
} from "#store/publishers.ts";
import { pagesOf } from "../cursor.ts";
import { time } from "../present.ts";
import { actorOf, defineRoute, type Route } from "../route.ts";

export interface PublisherRoutesContext {
  db: Queryable;
  outbound: Pick<Outbound, "check">;
  /** What was found, in words; throws what is wrong. */
  tryOut(publisher: PublisherRow, signal: AbortSignal): Promise<string>;
}

const Path = z.strictObject({ name: PublisherName });
const about = { tag: "Content" } as const;

export function publisherRoutes(context: PublisherRoutesContext): Route[] {
  return [listing(context), putting(context), trying(context), removing(context)];
}

function listing({ db }: PublisherRoutesContext): Route {
  return defineRoute({
    ...about,
    method: "GET",
    path: "/api/v1/content/publishers",
    summary: "Where articles can go besides our own site, by name; without their secrets",
    access: "viewer",
    query: PageQuery,
    answers: { 200: PublisherList },
    async handle({ query }) {
      const pages = pagesOf("publishers", query, /^[a-z0-9][a-z0-9_-]{0,62}$/);
      const rows = await listPublishers(db, pages.after() ?? null, query.limit);
      return {
        status: 200,
        body: { publishers: rows.map(shown), next_cursor: pages.next(rows, (row) => row.name) },
      };
    },
  });
}

function putting({ db, outbound }: PublisherRoutesContext): Route {
  return defineRoute({
    ...about,
    method: "PUT",
    path: "/api/v1/content/publishers/:name",
    summary: "Register a publisher, or replace its settings",
    description:
      'A pipeline publishes to those that its params name: `"params": {"publishers": ["site", "blog"]}`. The ' +
      "secret (an application password of WordPress, a signing secret) is never shown; left out, it stays as it is.",
    access: "admin",
    params: Path,
    body: PublisherPut,
    answers: { 200: Publisher },
    async handle({ params, body, caller }) {
      if (body.kind === "wordpress") outbound.check(body.settings.site_url);
      if (body.kind === "webhook") outbound.check(body.settings.url);
      const { kind, settings, enabled } = body;
      const secret = "secret" in body ? body.secret : undefined;
      const row = await putPublisher(db, {
        name: params.name,
        kind,
        settings,
        enabled,
        secret,
        actor: actorOf(caller),
      });
      return { status: 200, body: shown(row) };
    },
  });
}

function trying({ db, tryOut }: PublisherRoutesContext): Route {
  return defineRoute({
    ...about,
    method: "POST",
    path: "/api/v1/content/publishers/:name/test",
    summary: "Whether it can be reached and written to; publishes nothing",
    access: "admin",
    params: Path,
    answers: { 200: PublisherTried },
    async handle({ params, signal }) {
      const [publisher] = await publishersNamed(db, [params.name]);
      if (!publisher) throw noPublisher(params.name);
      try {
        return { status: 200, body: { ok: true, detail: await tryOut(publisher, signal) } };
      } catch (error) {
        return {
          status: 200,
          body: { ok: false, detail: error instanceof Error ? error.message : String(error) },
        };
      }
    },
  });
}

function removing({ db }: PublisherRoutesContext): Route {
  return defineRoute({
    ...about,
    method: "DELETE",
    path: "/api/v1/content/publishers/:name",
    summary: "Remove a publisher; what it has published stays there",
    access: "admin",
    params: Path,
    answers: { 200: PublisherRemoved },
    async handle({ params }) {
      if (!(await removePublisher(db, params.name))) throw noPublisher(params.name);
      return { status: 200, body: { name: params.name } };
    },
  });
}

function noPublisher(name: string): Problem {
  return new Problem(
    "not_found",
    `there is no publisher ${name}`,
    "GET /api/v1/content/publishers lists them.",
  );
}

function shown(row: PublisherRow): z.input<typeof Publisher> {
  return {
    name: row.name,
    kind: row.kind,
    settings: row.settings,
    has_secret: row.secret !== null,
    enabled: row.enabled,
    updated_at: time(row.updatedAtMs),
    updated_by: row.updatedBy,
  };
}

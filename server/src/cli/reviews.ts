/** Owns `orchestrator reviews …`, `names …` and `publishers …`: the editors' desk in a terminal. Decides nothing, shows no secret. */
import type {
  EntityReview,
  MergedEntity,
  Publisher,
  PublisherTried,
  Review,
  ReviewSummary,
} from "@master-orchestrator/contract";
import type { Command } from "commander";
import type { z } from "zod";
import { path } from "./api.ts";
import { printFields, printValue } from "./details.ts";
import { readJsonFile } from "./json-file.ts";
import { addGroup, addListing, fetchList, showList, withPaging } from "./list.ts";
import { type Options, type Session, type Shell, withAction } from "./session.ts";
import { ago, plain, plainLines } from "./text.ts";

/** Registers the three groups. */
export function addReviews(program: Command, shell: Shell): void {
  addArticles(program, shell);
  addNames(program, shell);
  addPublishers(program, shell);
}

function addArticles(program: Command, shell: Shell): void {
  const group = addGroup(program, "reviews", "articles that wait for a person: read, approve, reject");
  withPaging(addListing(group, shell, "list them, newest first", listArticles)).option(
    "--status <status>",
    "pending, approved, rejected",
  );
  withAction(
    group.command("show").description("the article, its marks and why it waits").argument("<review-id>"),
    shell,
    async (session, [id]) => {
      const review = await session.api<Review>("GET", path`/api/v1/content/reviews/${id!}`);
      session.show(review, () => renderReview(session, review));
      return undefined;
    },
  );
  for (const action of ["approve", "reject"] as const) {
    withAction(
      group
        .command(action)
        .description(action === "approve" ? "publish it" : "publish it never")
        .argument("<review-id>")
        .option("--note <text>", "why"),
      shell,
      async (session, [id], options) => {
        const review = await session.api<Review>("POST", path`/api/v1/content/reviews/${id!}/${action}`, {
          body: noteOf(options),
        });
        const task = review.publish_task_id === null ? "" : `, published by task ${review.publish_task_id}`;
        session.show(review, () => session.screen.line(`${plain(review.title)}: ${review.status}${task}`));
        return undefined;
      },
    );
  }
}

function noteOf(options: Options): { note?: string } {
  return typeof options.note === "string" ? { note: options.note } : {};
}

async function listArticles(session: Session, _args: string[], options: Options): Promise<undefined> {
  const now = session.terminal.now();
  const query = { status: options.status as string | undefined };
  const rows = await fetchList<ReviewSummary>(session, "/api/v1/content/reviews", "reviews", query, options);
  const layout = [
    { title: "REVIEW", value: (row: ReviewSummary) => row.review_id },
    { title: "STATUS", value: (row: ReviewSummary) => row.status },
    { title: "SCORE", value: (row: ReviewSummary) => row.score, right: true },
    { title: "WRITTEN", value: (row: ReviewSummary) => ago(row.created_at, now) },
    { title: "TITLE", value: (row: ReviewSummary) => row.title, shrinks: true },
    { title: "WHY", value: (row: ReviewSummary) => row.reasons[0] ?? null, shrinks: true },
  ];
  showList(session, rows, layout, "no reviews");
}

function renderReview({ screen, terminal }: Session, review: Review): void {
  printFields(screen, {
    review: plain(review.review_id),
    title: plain(review.title),
    status: review.status,
    score: review.score,
    written: ago(review.created_at, terminal.now()),
    by: plain(review.article.generator),
    "decided by": review.decided_by && plain(review.decided_by),
    note: review.note && plain(review.note),
  });
  printValue(screen, "why", review.reasons.join("\n"));
  printValue(screen, "quality", review.article.quality);
  screen.line();
  screen.line(plainLines(review.article.markdown));
}

function addNames(program: Command, shell: Shell): void {
  const group = addGroup(program, "names", "names of which a person has to say what they mean");
  withPaging(addListing(group, shell, "list them, newest first", listNames)).option(
    "--status <status>",
    "pending, merged, separate",
  );
  withAction(
    group
      .command("merge")
      .description("the name means an entity that is known")
      .argument("<review-id>")
      .option("--entity <entity-id>", "which one (default: the likeliest)")
      .option("--note <text>", "why"),
    shell,
    async (session, [id], options) => {
      const entity = options.entity as string | undefined;
      const body = { ...noteOf(options), ...(entity === undefined ? {} : { entity_id: entity }) };
      const review = await session.api<EntityReview>(
        "POST",
        path`/api/v1/content/entity-reviews/${id!}/merge`,
        { body },
      );
      session.show(review, () => session.screen.line(`${plain(review.name)} means ${review.entity_id}`));
      return undefined;
    },
  );
  withAction(
    group
      .command("separate")
      .description("the name means an entity of its own")
      .argument("<review-id>")
      .option("--note <text>", "why"),
    shell,
    async (session, [id], options) => {
      const body = noteOf(options);
      const review = await session.api<EntityReview>(
        "POST",
        path`/api/v1/content/entity-reviews/${id!}/separate`,
        { body },
      );
      session.show(review, () => session.screen.line(`${plain(review.name)} is ${review.entity_id}`));
      return undefined;
    },
  );
  withAction(
    group
      .command("unite")
      .description("make one entity of two; the second one remains")
      .argument("<entity-id>")
      .argument("<into-entity-id>"),
    shell,
    async (session, [id, into]) => {
      const body = { into };
      const answer = await session.api<z.infer<typeof MergedEntity>>(
        "POST",
        path`/api/v1/content/entities/${id!}/merge`,
        { body },
      );
      session.show(answer, () =>
        session.screen.line(`${plain(answer.entity.name)}: ${plain(answer.entity.aliases.join(", "))}`),
      );
      return undefined;
    },
  );
}

async function listNames(session: Session, _args: string[], options: Options): Promise<undefined> {
  const now = session.terminal.now();
  const query = { status: options.status as string | undefined };
  const rows = await fetchList<EntityReview>(
    session,
    "/api/v1/content/entity-reviews",
    "entity_reviews",
    query,
    options,
  );
  const layout = [
    { title: "REVIEW", value: (row: EntityReview) => row.review_id },
    { title: "STATUS", value: (row: EntityReview) => row.status },
    { title: "NAME", value: (row: EntityReview) => row.name, shrinks: true },
    { title: "MAY MEAN", value: (row: EntityReview) => row.candidates[0]?.name ?? null, shrinks: true },
    { title: "ARTICLES", value: (row: EntityReview) => row.articles, right: true },
    { title: "MET", value: (row: EntityReview) => ago(row.created_at, now) },
  ];
  showList(session, rows, layout, "no names wait");
}

function addPublishers(program: Command, shell: Shell): void {
  const group = addGroup(program, "publishers", "where articles go besides our own site");
  withPaging(addListing(group, shell, "list them", listPublishers));
  withAction(
    group
      .command("set")
      .description("register a publisher, or change it")
      .argument("<name>")
      .argument("<file>", "a JSON file with kind, settings and secret, or -"),
    shell,
    async (session, [name, file]) => {
      const body = await readJsonFile(file!, session.terminal);
      const answer = await session.api<Publisher>("PUT", path`/api/v1/content/publishers/${name!}`, { body });
      session.show(answer, () => session.screen.line(`${plain(answer.name)} is registered`));
      return undefined;
    },
  );
  withAction(
    group.command("test").description("whether it can be reached and written to").argument("<name>"),
    shell,
    async (session, [name]) => {
      const tried = await session.api<z.infer<typeof PublisherTried>>(
        "POST",
        path`/api/v1/content/publishers/${name!}/test`,
      );
      session.show(tried, () => session.screen.line(`${tried.ok ? "ok" : "failed"}: ${plain(tried.detail)}`));
      return tried.ok ? 0 : 1;
    },
  );
  withAction(
    group.command("remove").description("remove one").argument("<name>"),
    shell,
    async (session, [name]) => {
      const answer = await session.api("DELETE", path`/api/v1/content/publishers/${name!}`);
      session.show(answer, () => session.screen.line("removed"));
      return undefined;
    },
  );
}

async function listPublishers(session: Session, _args: string[], options: Options): Promise<undefined> {
  const rows = await fetchList<Publisher>(session, "/api/v1/content/publishers", "publishers", {}, options);
  const layout = [
    { title: "NAME", value: (row: Publisher) => row.name },
    { title: "KIND", value: (row: Publisher) => row.kind },
    { title: "ON", value: (row: Publisher) => (row.enabled ? "yes" : "no") },
    { title: "SECRET", value: (row: Publisher) => (row.has_secret ? "set" : "none") },
    { title: "SETTINGS", value: (row: Publisher) => JSON.stringify(row.settings), shrinks: true },
  ];
  showList(session, rows, layout, "no publishers: articles go to our own site");
}

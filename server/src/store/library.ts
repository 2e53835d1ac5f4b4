/** Brings together what the content pipeline asks of the store, over one database. Owns no statement. */
import { categoryByEntities, knownCategories } from "./categories.ts";
import { type ArticleToPublish, publishArticle } from "./content.ts";
import { type Database, ping } from "./database.ts";
import { addAlias, addEntities, entitiesLike, type NewEntity } from "./entities.ts";
import { askAboutName } from "./entity-reviews.ts";
import {
  type PublicationRow,
  publicationsOf,
  publishersNamed,
  recordMisplaced,
  recordPlaced,
} from "./publishers.ts";
import { approvedArticle, submitReview } from "./reviews.ts";

/** `trigrams`: whether the server compares names by their trigrams. */
export function contentLibrary(db: Database, { trigrams }: { trigrams: boolean }) {
  return {
    ready: () => ping(db),
    entitiesLike: (keys: string[], names: string[]) => entitiesLike(db, { keys, names, trigrams }),
    addEntities: (entities: NewEntity[], seen: string[]) => addEntities(db, { entities, seen }, trigrams),
    addAlias: (alias: Parameters<typeof addAlias>[1]) => addAlias(db, alias),
    askAboutName: (question: Parameters<typeof askAboutName>[1]) => askAboutName(db, question),
    publish: (article: ArticleToPublish) => db.transaction((tx) => publishArticle(tx, article)),
    categories: (slugs: string[]) => knownCategories(db, slugs),
    categoryByEntities: (entityIds: string[]) => categoryByEntities(db, entityIds),
    submit: (article: ArticleToPublish, reasons: string[], publishers: string[]) =>
      submitReview(db, { article, reasons, publishers }),
    publishers: (names: string[]) => publishersNamed(db, names),
    publications: (articleId: string) => publicationsOf(db, articleId),
    placed: (articleId: string, placed: PublicationRow & { canonical: boolean }) =>
      recordPlaced(db, articleId, placed),
    misplaced: (articleId: string, publisher: string, error: string) =>
      recordMisplaced(db, articleId, publisher, error),
    approved: (reviewId: string) => approvedArticle(db, reviewId),
  };
}

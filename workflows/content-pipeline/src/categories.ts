/** Owns which category an article belongs to: its topic's, its content type's, its names'; and that it is there. Makes none. */
import { TaskRefused } from "@master-orchestrator/sdk";
import type { Library } from "./library.ts";
import type { Params } from "./params.ts";
import type { Topic } from "./topic.ts";

type Shelf = Pick<Library, "categories" | "categoryByEntities">;

/** Throws for a topic that names a category which is not there: before anything is paid for. */
export async function demandCategory({ category }: Topic, library: Shelf): Promise<void> {
  if (category === undefined || (await library.categories([category])).length > 0) return;
  throw new TaskRefused(
    `there is no category "${category}": add it (orchestrator import categories), then redrive the task; or leave it out`,
  );
}

/** Throws for settings that name a category which is not there. */
export async function demandSetCategories({ categories }: Params, library: Shelf): Promise<void> {
  const named = [...Object.values(categories.by_content_type), categories.default ?? []].flat();
  if (named.length === 0) return;
  const known = await library.categories(named);
  const missing = named.find((slug) => !known.includes(slug));
  if (missing === undefined) return;
  throw new Error(
    `params.categories names ${missing}, which is not there: orchestrator import categories adds it`,
  );
}

/** The slug of its category; null where nothing tells of one. */
export async function categoryOf(
  { topic, contentType, entityIds }: { topic: Topic; contentType: string; entityIds: string[] },
  { categories }: Params,
  library: Shelf,
): Promise<string | null> {
  const told = topic.category ?? categories.by_content_type[contentType];
  return told ?? (await library.categoryByEntities(entityIds)) ?? categories.default ?? null;
}

/** Owns what is looked at before a batch is begun: settings, library, publishers, providers, budget. Begins nothing. */
import type { BatchContext } from "@master-orchestrator/sdk";
import { demandSetCategories } from "./categories.ts";
import type { Library } from "./library.ts";
import { readParams } from "./params.ts";
import { OWN_SITE } from "./publishing/publish.ts";
import type { Provider } from "./writing/model.ts";
import { castOf } from "./writing/models.ts";

/** What the server knows and a workflow cannot. */
export interface Readiness {
  /** US dollars that are left of the day's budget; not asked without a provider. */
  budgetLeftUsd?: (() => Promise<number>) | undefined;
}

/** A model's article costs about a cent; with less than this left, it would be given up half way. */
export const LEAST_BUDGET_USD = 0.01;

/** Throws what is missing: the attempt fails before anything is paid for, and its tasks are tried again. */
export async function preflight(
  context: BatchContext,
  parts: Readiness & {
    library: Library;
    providers: Readonly<Record<Provider, boolean>>;
    models?: Partial<Record<Provider, string>>;
  },
): Promise<void> {
  const params = readParams(context.params);
  const cast = castOf({ providers: parts.providers, models: parts.models, ...params.models });
  await parts.library.ready();
  await demandSetCategories(params, parts.library);
  const names = params.publishers.filter((name) => name !== OWN_SITE);
  if (names.length > 0) {
    const known = new Map(
      (await parts.library.publishers(names)).map((publisher) => [publisher.name, publisher]),
    );
    for (const name of names) {
      if (!known.has(name))
        throw new Error(
          `params.publishers names ${name}, which is not there: PUT /api/v1/content/publishers/${name}`,
        );
      if (!known.get(name)!.enabled)
        throw new Error(`params.publishers names ${name}, which is switched off`);
    }
  }
  if (!cast || !parts.budgetLeftUsd) return;
  const needed = LEAST_BUDGET_USD * context.taskIds.length;
  const left = await parts.budgetLeftUsd();
  if (left >= needed) return;
  throw new Error(
    `the day's budget has $${left.toFixed(4)} left; ${context.taskIds.length} articles need $${needed.toFixed(2)} at least`,
  );
}

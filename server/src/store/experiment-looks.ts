/** Reads how an experiment's figures went, look by look. Changes nothing: the database itself keeps each look. */
import type { Queryable } from "./database.ts";

export interface Look {
  atMs: number;
  variants: { key: string; chance_best: number | null; mean: number | null; units: number }[];
}

/** The oldest first; of more than `most` so many, evenly spread, the last one included. */
export async function experimentLooks(db: Queryable, experimentId: string, most: number): Promise<Look[]> {
  const { rows } = await db.query(
    `select at, (select jsonb_agg(jsonb_build_object('key', variant->'key', 'chance_best', variant->'chance_best',
                        'mean', variant->'mean', 'units', variant->'units'))
                   from jsonb_array_elements(result->'variants') variant) as variants
       from (select at, result, row_number() over (order by at desc) - 1 as n, count(*) over () as total
               from content.experiment_looks where experiment_id = $1) look
      where n % greatest(1, ceil(total::float8 / $2)::int) = 0 and jsonb_typeof(result->'variants') = 'array'
      order by at limit $2`,
    [experimentId, most],
  );
  return rows.map((row) => ({ atMs: row.at, variants: row.variants ?? [] }));
}

/** Owns the proof that many topics that name the same things at once leave one row of each, in the real database. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import {
  candidateNames,
  type Library,
  resolveEntities,
  TopicSchema,
} from "@master-orchestrator/content-pipeline";
import { contentLibrary } from "#store/library.ts";
import { openStore } from "#test/stored.ts";

const SPELLINGS = ["World Health Organization", "World Health Organisation"];

test("a hundred topics that name the same things at once leave one row of each", async (t) => {
  const { db } = await openStore(t);
  for (const trigrams of [true, false]) {
    await db.query("delete from content.entities");
    const library = contentLibrary(db, { trigrams }) as unknown as Library;
    const resolutions = await Promise.all(
      Array.from({ length: 100 }, (_, i) => {
        const topic = TopicSchema.parse({
          title: `Topic ${i}`,
          brief: `Much is known about the ${SPELLINGS[i % 2]}. Much was measured at the Fraunhofer Institute.`,
        });
        return resolveEntities(candidateNames(topic), library, { taskId: randomUUID() });
      }),
    );
    const { rows } = await db.query("select name from content.entities order by name");
    const names = rows.map(({ name }) => name);
    assert.equal(names.length, 2, names.join(", "));
    assert.equal(names[0], "Fraunhofer Institute");
    for (const { entities, unresolved } of resolutions) {
      assert.deepEqual([entities.map(({ name }) => name).sort(), unresolved], [names, []]);
    }
  }
});

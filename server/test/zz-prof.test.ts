import { test } from "node:test";
import { administer, startCluster } from "#test/cluster.ts";
const time = async (what: string, n: number, f: (i: number) => Promise<unknown>) => { const s = performance.now(); for (let i=0;i<n;i++) await f(i); console.log(what, ((performance.now()-s)/n).toFixed(1)); };
test("x", async () => {
  const c = await startCluster();
  for (let k=0;k<2;k++) {
  await time("admin select", 10, () => administer(c.adminUrl, "select 1"));
  await time("wal_log", 10, (i) => administer(c.adminUrl, `create database w${k}_${i} template ${c.template}`));
  await time("file_copy", 10, (i) => administer(c.adminUrl, `create database f${k}_${i} template ${c.template} strategy file_copy`));
  await time("drop", 10, (i) => administer(c.adminUrl, `drop database w${k}_${i} with (force)`));
  }
  await c.stop();
});

/** Owns the proof that webhooks go only where they may: literal addresses at registration, names at each delivery. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { HouseOptions } from "#foundation.ts";
import { openTestHouse } from "#test/house.ts";

/** Resolves every name as `addresses` says, which a test may change. */
function resolver(addresses: Record<string, string[]>): NonNullable<HouseOptions["lookup"]> {
  return (host, done) => {
    const found = addresses[host];
    if (found) {
      return done(
        null,
        found.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })),
      );
    }
    done(Object.assign(new Error(`no such name ${host}`), { code: "ENOTFOUND" }), []);
  };
}

test("a literal private address is refused at registration, in whatever spelling", async (t) => {
  const house = await openTestHouse(t, { env: { OUTBOUND_ALLOW: "127.0.0.1:9" }, workflows: {} });
  const refused = [
    "http://127.0.0.1:8080/x",
    "http://127.1/x",
    "http://2130706433/x",
    "http://0x7f000001/x",
    "http://[::1]/x",
    "http://[::ffff:7f00:1]/x",
    "http://10.1.2.3/x",
    "http://192.168.0.1:5678/webhook",
    "http://169.254.169.254/latest/meta-data",
    "http://0.0.0.0/x",
    "http://localhost:5678/x",
  ];
  for (const webhook_url of refused) {
    for (const [path, body] of [
      ["/webhook_url", { webhook_url }],
      ["/targets/0/webhook_url", { targets: [{ webhook_url }] }],
    ] as const) {
      const answer = await house.api("PUT", "/workflows/private", body);
      assert.deepEqual(
        [webhook_url, answer.status, answer.body.code],
        [webhook_url, 422, "outbound_refused"],
      );
      assert.equal(answer.body.errors[0].path, path);
      assert.match(answer.body.hint, /OUTBOUND_ALLOW/);
    }
  }
  assert.equal((await house.api("GET", "/workflows/private")).status, 404);
  for (const webhook_url of ["http://127.0.0.1:9/x", "https://example.org/x", "http://93.184.215.14/x"]) {
    assert.equal((await house.api("PUT", "/workflows/allowed", { webhook_url })).status, 200, webhook_url);
  }
});

test("a name that resolves to a private address is refused at the delivery, and the attempt says so", async (t) => {
  const lookup = resolver({ "n8n.example.org": ["93.184.215.14", "10.0.0.7"] });
  const house = await openTestHouse(t, { lookup, workflows: {} });
  const webhook_url = "http://n8n.example.org/webhook/x";
  assert.equal((await house.api("PUT", "/workflows/writer", { webhook_url })).status, 200);
  const [id] = await house.enqueue({});
  const task = await house.task(id!);
  assert.deepEqual([task.status, task.errors[0].code], ["retrying", "refused"]);
  assert.match(task.errors[0].message, /n8n\.example\.org resolves to 10\.0\.0\.7, a private address/);
});

test("a name that turns private after its registration is refused from then on", async (t) => {
  const addresses: Record<string, string[]> = { "n8n.internal": ["127.0.0.1"] };
  const house = await openTestHouse(t, { lookup: resolver(addresses) });
  const writer = house.workflow("writer");
  const webhook_url = writer.url.replace("127.0.0.1", "n8n.internal");
  assert.equal((await house.api("PUT", "/workflows/named", { webhook_url })).status, 200);
  await house.enqueue({ workflow_type: "named" });
  assert.equal(writer.deliveries.length, 1, "127.0.0.1 is on the list");
  await writer.last().callback();
  addresses["n8n.internal"] = ["127.0.0.2"];
  // A new origin, since an open connection needs no new look-up.
  await house.api("PUT", "/workflows/named", {
    webhook_url: webhook_url.replace("n8n.internal", "N8N.internal."),
  });
  const [id] = await house.enqueue({ workflow_type: "named" });
  const task = await house.until("it is refused", async () => {
    const task = await house.task(id!);
    return task.status === "retrying" && task;
  });
  assert.match(task.errors[0].message, /not allowed/);
  assert.equal(writer.deliveries.length, 1);
});

test("a host on the list may be private", async (t) => {
  const lookup = resolver({ "n8n.internal": ["127.0.0.1"] });
  const house = await openTestHouse(t, { lookup, env: { OUTBOUND_ALLOW: "n8n.internal,127.0.0.1" } });
  const webhook_url = house.workflow("writer").url.replace("127.0.0.1", "n8n.internal");
  await house.api("PUT", "/workflows/named", { webhook_url });
  const [id] = await house.enqueue({ workflow_type: "named" });
  assert.equal((await house.task(id!)).status, "running");
});

test("a name that does not resolve may do so later: nobody knows, so it is tried again", async (t) => {
  const addresses: Record<string, string[]> = {};
  const house = await openTestHouse(t, { lookup: resolver(addresses) });
  const writer = house.workflow("writer");
  await house.api("PUT", "/workflows/named", {
    webhook_url: writer.url.replace("127.0.0.1", "n8n.internal"),
  });
  const [id] = await house.enqueue({ workflow_type: "named" });
  assert.equal((await house.task(id!)).status, "running");
  addresses["n8n.internal"] = ["127.0.0.1"];
  await house.advance(1_000);
  assert.deepEqual(writer.last().taskIds, [id]);
});

test("a redirect is not followed", async (t) => {
  const house = await openTestHouse(t, { workflows: { writer: {}, inner: {} } });
  const location = house.workflow("inner").url;
  house.workflow("writer").always({ status: 307, headers: { location } });
  const [id] = await house.enqueue({});
  assert.equal((await house.task(id!)).status, "retrying");
  assert.equal(house.workflow("inner").deliveries.length, 0);
});

/** Owns the proof of live events: who listens hears of every cycle once, and comes back without a gap. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { hang } from "#test/activity.ts";
import { completeAtOnce } from "#test/fake-sub-workflow.ts";
import { ADMIN_KEY, openTestHouse, type TestHouse } from "#test/house.ts";

interface Heard {
  event: string;
  id: string | null;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into events as they please
  data: any;
}

/** Listens until the test ends; `heard` grows with what comes. */
async function listen(house: TestHouse, lastEventId?: string, key = ADMIN_KEY) {
  const heard: Heard[] = [];
  const left = new AbortController();
  const over = hang(`GET ${house.url}/api/v1/events`);
  const response = await fetch(`${house.url}/api/v1/events`, {
    signal: left.signal,
    headers: {
      authorization: `Bearer ${key}`,
      ...(lastEventId === undefined ? {} : { "last-event-id": lastEventId }),
    },
  });
  let ended = false;
  const reading = (async () => {
    let rest = "";
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      const parts = (rest + chunk).split("\n\n");
      rest = parts.pop()!;
      for (const part of parts) if (!part.startsWith(":")) heard.push(read(part));
    }
  })()
    .catch(() => {})
    .then(() => {
      ended = true;
    });
  const leave = async () => {
    left.abort();
    await reading;
    over();
  };
  return { response, heard, leave, reading, ended: () => ended };
}

function read(text: string): Heard {
  const fields = new Map(
    text.split("\n").map((line) => [line.split(": ", 1)[0]!, line.slice(line.indexOf(": ") + 2)]),
  );
  return { event: fields.get("event")!, id: fields.get("id") ?? null, data: JSON.parse(fields.get("data")!) };
}

const dispatches = (heard: readonly Heard[]) =>
  heard.flatMap(({ event, data }) =>
    event === "cycle" ? data.decisions.filter(({ kind }: { kind: string }) => kind === "dispatch") : [],
  );

test("who listens hears how it stands, and then what each cycle decides, on any replica", async (t) => {
  const house = await openTestHouse(t, { workflows: { writer: {} } });
  house.workflow("writer").always(completeAtOnce);
  const other = await house.replica();
  const here = await listen(house);
  const there = await listen(other);
  assert.match(here.response.headers.get("content-type") ?? "", /^text\/event-stream/);
  await house.until("both hear how it stands", () => here.heard[0]?.event === "status" && there.heard[0]);
  await house.enqueue({ payload: { n: 1 } });
  await house.advance(2_000);
  await house.until("both hear of the dispatch", () => {
    return dispatches(here.heard).length === 1 && dispatches(there.heard).length === 1;
  });
  const ids = here.heard.flatMap(({ id }) => (id === null ? [] : [id]));
  assert.deepEqual(ids, [...new Set(ids)].sort());
  await here.leave();
  await there.leave();
});

test("who listens hears that somebody has paused, though nothing is there to decide", async (t) => {
  const house = await openTestHouse(t, {});
  const other = await house.replica();
  const there = await listen(other);
  await house.until("it hears how it stands", () => there.heard[0]?.data.paused === false);
  await house.api("POST", "/orchestrator/pause");
  await house.advance(2_000);
  await house.until("it hears of the pause", () => there.heard.at(-1)?.data.paused === true);
  assert.deepEqual(
    there.heard.map(({ event }) => event).filter((event) => event === "cycle"),
    [],
  );
  await there.leave();
});

test("who comes back with the id of the last event has missed nothing and hears nothing twice", async (t) => {
  const house = await openTestHouse(t, { workflows: { writer: {} } });
  house.workflow("writer").always(completeAtOnce);
  const first = await listen(house);
  await house.enqueue({ payload: { n: 1 } });
  await house.advance(1_000);
  await house.until("it hears of the first", () => dispatches(first.heard).length === 1);
  const last = first.heard.findLast(({ id }) => id !== null)!.id!;
  await first.leave();
  await house.enqueue({ payload: { n: 2 } });
  await house.enqueue({ payload: { n: 3 } });
  const second = await listen(house, last);
  await house.until("it hears of both", () => dispatches(second.heard).length === 2);
  assert.ok(second.heard.every(({ id }) => id === null || id > last));
  await second.leave();
});

test("a stream ends once its key is revoked; those of other keys go on", async (t) => {
  const house = await openTestHouse(t, { workflows: {} });
  const { key, key_id: keyId } = (await house.api("POST", "/api-keys", { name: "Ada", role: "viewer" })).body;
  const hers = await listen(house, undefined, key);
  const ours = await listen(house);
  await house.api("DELETE", `/api-keys/${keyId}`);
  await house.advance(12_000);
  await hers.reading;
  assert.ok(!ours.ended());
  await hers.leave();
  await ours.leave();
});

test("a stop of the house ends the streams", async (t) => {
  const house = await openTestHouse(t);
  const stream = await listen(house);
  await house.stop();
  await stream.reading;
  await stream.leave();
});

test("without a key, or with an id from elsewhere, there is no stream", async (t) => {
  const house = await openTestHouse(t);
  assert.equal((await house.api("GET", "/events", undefined, null)).status, 401);
  const response = await fetch(`${house.url}/api/v1/events`, {
    headers: { authorization: `Bearer ${ADMIN_KEY}`, "last-event-id": "17" },
  });
  assert.equal(response.status, 422);
  await response.text();
});

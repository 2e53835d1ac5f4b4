/** An answer's bytes come in their order, whole, and no faster than they are read. */
import assert from "node:assert/strict";
import { it } from "node:test";
import { AnswerBody } from "./answer-body.ts";

function opened() {
  const said: string[] = [];
  const say = (word: string) => () => void said.push(word);
  const body = new AnswerBody({ pause: say("pause"), resume: say("resume"), cut: say("cut") });
  return { said, body };
}

const piece = (size: number, fill: number) => new Uint8Array(size).fill(fill);

it("hands on what came before it was asked for, and what comes after, to the end", async () => {
  const { said, body } = opened();
  body.push(piece(1, 1));
  assert.deepEqual(await body.next(), { value: piece(1, 1), done: false });
  const waiting = body.next();
  body.push(piece(1, 2));
  assert.deepEqual(await waiting, { value: piece(1, 2), done: false });
  const last = body.next();
  body.end();
  assert.equal((await last).done, true);
  assert.equal((await body.next()).done, true);
  await body.return();
  assert.deepEqual(said, [], "there is nothing to be cut off");
});

it("asks its sender to pause while too much lies unread, and to go on when it was read", async () => {
  const { said, body } = opened();
  for (let n = 0; n < 4; n++) body.push(piece(32 * 1024, n));
  assert.deepEqual(said, ["pause"]);
  for (let n = 0; n < 3; n++) assert.equal((await body.next()).value?.[0], n);
  assert.deepEqual(said, ["pause", "resume"]);
});

it("breaks off behind what came, and cuts its sender off when nobody reads on", async () => {
  const broken = opened().body;
  broken.push(piece(1, 1));
  broken.end(new Error("the connection broke"));
  assert.equal((await broken.next()).value?.length, 1);
  await assert.rejects(broken.next(), /the connection broke/);
  const { said, body } = opened();
  body.push(piece(1, 1));
  for await (const bytes of body) {
    assert.equal(bytes.length, 1);
    break;
  }
  assert.deepEqual(said, ["cut"]);
});

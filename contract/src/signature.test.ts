/** Standard Webhooks: our signatures against the specification's vector and its reference implementation. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, it } from "node:test";
import { Webhook } from "standardwebhooks";
import { SIGNATURE_TOLERANCE_SECONDS, sign, verify } from "./signature.ts";

const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const ID = "msg_p5jXN8AQM9LWM0D4loKWxJek";
const AT = 1_614_265_330;
const BODY = Buffer.from('{"test": 2432232314}');
const SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
const SIGNED = sign(SECRET, ID, AT, BODY)["webhook-signature"];

function headers(over: Record<string, string | undefined> = {}): Headers {
  const all = { "webhook-id": ID, "webhook-timestamp": String(AT), "webhook-signature": SIGNED, ...over };
  return new Headers(
    Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}
const check = (over: Record<string, string | undefined> = {}, body: Uint8Array = BODY, now = AT) =>
  verify(SECRET, headers(over), body, now);
const otherSecret = () => `whsec_${randomBytes(24).toString("base64")}`;

describe("a signature", () => {
  it("is the one of the specification's test vector", () => {
    assert.equal(SIGNED, SIGNATURE);
  });

  it("of ours satisfies the reference implementation", () => {
    for (const text of ["", "{}", '{"ü": "😀"}', "x".repeat(100_000)]) {
      const secret = otherSecret();
      const now = Math.floor(Date.now() / 1000);
      const signed = sign(secret, "msg_1", now, Buffer.from(text));
      const reference = new Webhook(secret);
      assert.equal(reference.sign("msg_1", new Date(now * 1000), text), signed["webhook-signature"]);
      if (text.startsWith("{")) assert.doesNotThrow(() => reference.verify(text, { ...signed }));
    }
  });

  it("of the reference implementation satisfies ours", () => {
    for (const text of ["", "{}", '{"ü": "😀"}']) {
      const secret = otherSecret();
      const signature = new Webhook(secret).sign("msg_2", new Date(AT * 1000), text);
      const given = headers({ "webhook-id": "msg_2", "webhook-signature": signature });
      assert.deepEqual(verify(secret, given, Buffer.from(text), AT), { ok: true, id: "msg_2" });
    }
  });

  it("is over the bytes as they are, text or not", () => {
    const bytes = Uint8Array.from([0xff, 0x00, 0xfe]);
    const signed = sign(SECRET, ID, AT, bytes);
    assert.equal(check({ ...signed }, bytes).ok, true);
    assert.equal(check({ ...signed }, Uint8Array.from([0xff, 0x00, 0xff])).ok, false);
  });

  it("names whole seconds", () => {
    assert.equal(sign(SECRET, ID, AT + 0.9, BODY)["webhook-timestamp"], String(AT));
  });

  it("is the same with the secret's prefix and without", () => {
    assert.deepEqual(sign(SECRET.slice("whsec_".length), ID, AT, BODY), sign(SECRET, ID, AT, BODY));
  });
});

describe("verifying", () => {
  it("takes the right signature and returns the message's id", () => {
    assert.deepEqual(check(), { ok: true, id: ID });
  });

  it("refuses another body, id, time or secret", () => {
    const noMatch = { ok: false, reason: "no_match" };
    assert.deepEqual(check({}, Buffer.from('{"test": 2432232315}')), noMatch);
    assert.deepEqual(check({ "webhook-id": "msg_other" }), noMatch);
    assert.deepEqual(check({ "webhook-timestamp": String(AT + 1) }), noMatch);
    assert.deepEqual(verify(otherSecret(), headers(), BODY, AT), noMatch);
  });

  it("takes one match out of several: while a secret is being rotated", () => {
    const other = sign(otherSecret(), ID, AT, BODY)["webhook-signature"];
    assert.equal(check({ "webhook-signature": `${other} ${SIGNED}` }).ok, true);
    assert.equal(check({ "webhook-signature": `${SIGNED} ${other}` }).ok, true);
    assert.equal(check({ "webhook-signature": `v1a,AAAA ${other}` }).ok, false);
  });

  it("looks at ten signatures and no more", () => {
    const padding = Array(10).fill("v1,AAAA").join(" ");
    assert.equal(check({ "webhook-signature": `${padding} ${SIGNED}` }).ok, false);
  });

  it("refuses a signature that is cut, lengthened, empty, or of another version", () => {
    const bare = SIGNED.slice("v1,".length);
    for (const wrong of [
      "v1,",
      SIGNED.slice(0, -8),
      `v1,AAAA${bare}`,
      bare,
      `v2,${bare}`,
      `v1a,${bare}`,
      ",",
    ]) {
      assert.deepEqual(check({ "webhook-signature": wrong }), { ok: false, reason: "no_match" }, wrong);
    }
  });

  it("takes a time up to five minutes off, either way, and none further", () => {
    assert.equal(SIGNATURE_TOLERANCE_SECONDS, 300);
    assert.equal(check({}, BODY, AT + 300).ok, true);
    assert.equal(check({}, BODY, AT - 300).ok, true);
    const outside = { ok: false, reason: "outside_tolerance" };
    assert.deepEqual(check({}, BODY, AT + 301), outside);
    assert.deepEqual(check({}, BODY, AT - 301), outside);
  });

  it("misses what is not there, or is no time", () => {
    const missing = { ok: false, reason: "missing_headers" };
    for (const name of ["webhook-id", "webhook-timestamp", "webhook-signature"]) {
      assert.deepEqual(check({ [name]: undefined }), missing, name);
    }
    for (const time of ["now", "-1", "1.5", "1e9", "9999999999999", "0x10"]) {
      assert.deepEqual(check({ "webhook-timestamp": time }), missing, time);
    }
  });
});

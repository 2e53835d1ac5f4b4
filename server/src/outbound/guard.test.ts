/** Which addresses may be called, in every spelling. Opens no connection. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Problem } from "@master-orchestrator/contract";
import { parseAddress, privateKind } from "./address.ts";
import { type AllowRule, parseAllow } from "./allow.ts";
import { OutboundFailure } from "./failure.ts";
import { permitResolved, readTarget, refuseLiteral } from "./guard.ts";

function literalPasses(url: string, allow = ""): boolean {
  try {
    refuseLiteral(readTarget(url), parseAllow(allow));
    return true;
  } catch (error) {
    assert.ok(error instanceof Problem, String(error));
    assert.equal(error.code, "outbound_refused");
    assert.ok(error.hint.length > 0);
    return false;
  }
}

describe("a literal address is refused in every spelling", () => {
  const hosts = [
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "0177.0x0.1",
    "127.0.0.1.",
    "１２７.0.0.1",
    "127。0。0。1",
    "0",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.0.8",
    "192.0.2.1",
    "198.18.0.1",
    "203.0.113.9",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "168.63.129.16",
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:7f00:1]",
    "[::ffff:127.0.0.1]",
    "[::127.0.0.1]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b::10.0.0.1]",
    "[64:ff9b:1::1]",
    "[fd00::1]",
    "[fe80::1]",
    "[fec0::1]",
    "[ff02::1]",
    "[2001:db8::1]",
    "[2002:7f00:1::]",
    "[2001::1]",
    "[4000::1]",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "api.localhost",
  ];
  for (const host of hosts) {
    it(host, () => assert.equal(literalPasses(`http://${host}:8080/x`), false));
  }
});

describe("other addresses", () => {
  for (const host of [
    "8.8.8.8",
    "[2606:4700::1111]",
    "[64:ff9b::808:808]",
    "[::ffff:8.8.8.8]",
    "example.org",
  ]) {
    it(`${host} passes`, () => assert.equal(literalPasses(`https://${host}/x`), true));
  }
  for (const url of [
    "ftp://example.org/",
    "file:///etc/passwd",
    "https://u:p@example.org/",
    "https://",
    "nonsense",
  ]) {
    it(`${url} is refused`, () => assert.equal(literalPasses(url), false));
  }
});

describe("OUTBOUND_ALLOW", () => {
  const table: [allow: string, url: string, passes: boolean][] = [
    ["127.0.0.1", "http://127.0.0.1:1", true],
    ["127.0.0.1", "http://127.1:1", true],
    ["127.0.0.1", "http://[::ffff:127.0.0.1]:1", true],
    ["127.0.0.1", "http://127.0.0.2:1", false],
    ["127.0.0.1", "http://localhost:1", true],
    ["localhost", "http://127.0.0.1:1", true],
    ["localhost", "http://[::1]:1", true],
    ["localhost:5678", "http://localhost:1", false],
    ["127.0.0.1:5678", "http://127.0.0.1:5678", true],
    ["127.0.0.1:5678", "http://127.0.0.1:5679", false],
    ["127.0.0.1:80", "http://127.0.0.1/", true],
    ["[::1]:443", "https://[::1]/", true],
    ["::1", "http://[::1]:9/", true],
    ["[fd00::1]", "http://[fd00::1]:9/", true],
    ["fd00::/8", "http://[fd12::3]:9/", true],
    ["10.1.0.0/16", "http://10.1.2.3/", true],
    ["10.1.0.0/16", "http://10.2.2.3/", false],
    ["n8n.internal, 10.0.0.5", "http://10.0.0.5/", true],
    ["0.0.0.0/0", "http://169.254.169.254/", true],
  ];
  for (const [allow, url, passes] of table) {
    it(`${allow}: ${url} ${passes ? "passes" : "is refused"}`, () =>
      assert.equal(literalPasses(url, allow), passes));
  }
  for (const entry of [
    "http://n8n",
    "*.internal",
    "10.0.0.0/33",
    "10.0.0.0/x",
    "a b:99999",
    "300.1.1.1",
    "host:0",
    "a..b",
    "::ffff:10.0.0.0/104",
  ]) {
    it(`${entry} is no entry`, () =>
      assert.throws(
        () => parseAllow(entry),
        (error) =>
          error instanceof Problem &&
          error.code === "invalid_setting" &&
          error.message.includes("OUTBOUND_ALLOW"),
      ));
  }
});

describe("the addresses of a name", () => {
  const permit = (host: string, addresses: string[], allow: AllowRule[] = [], port = 80) =>
    permitResolved(
      host,
      port,
      addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })),
      allow,
    ).map((one) => one.address);
  const refused = (work: () => unknown, words: RegExp) =>
    assert.throws(
      work,
      (e) => e instanceof OutboundFailure && e.kind === "refused_by_guard" && words.test(e.message),
    );

  it("public ones pass", () =>
    assert.deepEqual(permit("a.test", ["8.8.8.8", "2606:4700::1"]), ["8.8.8.8", "2606:4700::1"]));
  it("one private address refuses the whole name, and is told", () =>
    refused(
      () => permit("a.test", ["8.8.8.8", "10.0.0.7"]),
      /a\.test resolves to 10\.0\.0\.7, a private address/,
    ));
  it("an allowed network lets its addresses pass", () =>
    assert.deepEqual(permit("a.test", ["10.1.0.7"], parseAllow("10.1.0.0/16")), ["10.1.0.7"]));
  it("an allowed name passes whatever it resolves to, on its port only", () => {
    assert.deepEqual(permit("n8n.internal", ["10.9.9.9"], parseAllow("N8N.internal:5678"), 5678), [
      "10.9.9.9",
    ]);
    refused(() => permit("n8n.internal", ["10.9.9.9"], parseAllow("n8n.internal:5678"), 80), /10\.9\.9\.9/);
  });
  it("of localhost only the allowed addresses are kept", () =>
    assert.deepEqual(permit("localhost", ["::1", "127.0.0.1"], parseAllow("127.0.0.1")), ["127.0.0.1"]));
  it("a zone or a mapped address hides nothing", () => {
    refused(() => permit("a.test", ["fe80::1%eth0"]), /link-local/);
    refused(() => permit("a.test", ["::ffff:192.168.0.1"]), /private/);
  });
  it("an answer that is no address is refused", () =>
    refused(() => permit("a.test", ["nonsense"]), /not an address/));
});

it("a public address is no kind of private one", () =>
  assert.equal(privateKind(parseAddress("1.1.1.1")!), null));

/** Owns the proof that whatever happens to calls, the ledger says of each what the provider billed, or the worst it could be. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Chance, chance } from "#test/chance.ts";
import { begin, entries, MODEL, money, openGateway } from "#test/gateway-caller.ts";
import type { TestHouse } from "#test/house.ts";
import { mostUsed, watchLedger } from "#test/ledger-watch.ts";
import type { Arrival, Fault, StubProvider, Usage } from "#test/stub-provider.ts";

const GEMINI = "/ai/gemini/v1beta/models/gemini-2.5-flash";
/** Thousandths of a micro-dollar for a token, as the price list has them. */
const PRICES = {
  openai: { input: 150, cached: 75, output: 600 },
  gemini: { input: 300, cached: 30, output: 2_500 },
};
const ERROR = { error: { message: "no", type: "x", code: "y" } };

interface PlannedCall {
  id: string;
  provider: keyof typeof PRICES;
  stream: boolean;
  path: string;
  /** As it is sent. */
  text: string;
  mostOutput: number;
  usage: Usage;
  fault: Fault | undefined;
  /** The client leaves: after the first bytes, or without any. */
  leaves: boolean;
}

function aCall(random: Chance, id: string): PlannedCall {
  const provider = random.oneOf(["openai", "gemini"] as const);
  const stream = random.maybe(0.5);
  const mostOutput = random.int(50, 400);
  const output = random.int(0, mostOutput);
  const input = random.int(20, 60);
  const usage = { input, cached: random.int(0, input), output, thinking: random.int(0, output) };
  const path =
    provider === "openai"
      ? "/ai/openai/v1/chat/completions"
      : stream
        ? `${GEMINI}:streamGenerateContent${random.maybe(0.7) ? "?alt=sse" : ""}`
        : `${GEMINI}:generateContent`;
  // Longer in bytes than what the provider counts in tokens.
  const said = `${id} ${"x".repeat(80)}`;
  const body =
    provider === "openai"
      ? { model: MODEL, stream, max_tokens: mostOutput, messages: [{ role: "user", content: said }] }
      : { contents: [{ parts: [{ text: said }] }], generationConfig: { maxOutputTokens: mostOutput } };
  const events = stream && (provider === "openai" || path.endsWith("sse"));
  const faults: (Fault | undefined)[] = [
    ...Array.from({ length: 6 }, () => undefined),
    { kind: "status", status: random.oneOf([400, 429, 500, 503]), body: ERROR },
    { kind: "nonsense" },
    { kind: "no_usage" },
    { kind: "hang" },
    ...(events ? [{ kind: "cut", afterEvents: random.int(0, 2) } as const] : []),
  ];
  const fault = random.oneOf(faults);
  const leaves = fault?.kind === "hang" || (fault === undefined && events && random.maybe(0.3));
  return { id, provider, stream, path, text: JSON.stringify(body), mostOutput, usage, fault, leaves };
}

/** What the ledger has to say of a call: the provider's bill, or the worst case of what nobody can know. */
function expectedMicros({ provider, usage, fault, text, mostOutput }: PlannedCall): number {
  const { input, cached, output } = PRICES[provider];
  if (fault?.kind === "status") return 0;
  if (fault !== undefined) return Math.ceil((text.length * input + mostOutput * output) / 1_000);
  const part = usage.cached ?? 0;
  const billed = (usage.input - part) * input + part * cached + usage.output * output;
  return Math.floor((billed + 500) / 1_000);
}

function idOf({ text }: Arrival): string {
  return /call-\d+/.exec(text)?.[0] ?? "";
}

/** Makes the call, and returns when its client is done with it. */
async function make(house: TestHouse, provider: StubProvider, planned: PlannedCall): Promise<void> {
  const call = begin(house, { path: planned.path, body: planned.text });
  if (!planned.leaves) return void (await call.reply.catch(() => {}));
  // One that will hang may be refused like any other when the others hold all that is left: then nothing arrives.
  let begun = false;
  const answered = call.begun.then(() => {
    begun = true;
  });
  if (planned.fault?.kind === "hang")
    await house.until(
      "the call to arrive or to be refused",
      () => begun || provider.arrivals.some((one) => idOf(one) === planned.id),
    );
  else await answered;
  call.leave();
}

for (const seed of [1, 2]) {
  test(`seed ${seed}: streams, cached and thinking tokens, errors, nonsense, disconnects, silence and a crash: to the micro-dollar`, async (t) => {
    const random = chance(seed);
    const cap = 15_000;
    const { house, provider } = await openGateway(t, {
      policy: {
        providers: { openai: {}, gemini: {} },
        budget: { daily_usd: cap / 1e6 },
        gateway: { hold_seconds: 0 },
      },
      expectedErrors: /./,
    });
    await watchLedger(house.db);
    const other = await house.replica();
    const planned = Array.from({ length: 70 }, (_, n) => aCall(random, `call-${n}`));
    const byId = new Map(planned.map((call) => [call.id, call]));
    provider.uses((arrival) => byId.get(idOf(arrival))?.usage ?? { input: 1, output: 1 });
    provider.fares((arrival) => byId.get(idOf(arrival))?.fault);
    const rest = [...planned];
    const client = async (at: TestHouse) => {
      for (let next = rest.shift(); next; next = rest.shift()) {
        await make(at, provider, next);
        // A provider that asked for a pause does not get one: this test is about money.
        await house.db.query("delete from provider_pauses");
      }
    };
    await Promise.all([client(house), client(house), client(house), client(other), client(other)]);
    // What hangs at this replica dies with it, between its reservation and its settlement.
    await other.kill();
    await house.advance(31_000);
    await house.advance(90_000);
    await house.until("every call to be settled", async () => (await money(house)).held === 0);

    const arrived = provider.arrivals.map((arrival) => byId.get(idOf(arrival)) as PlannedCall);
    assert.equal(new Set(arrived).size, arrived.length, "no call was sent twice");
    const rows = await entries(house, "?limit=500");
    const costs = rows.map((row) => Math.round((row.cost_usd ?? 0) * 1e6)).sort((a, b) => a - b);
    const bills = arrived.map(expectedMicros).sort((a, b) => a - b);
    assert.deepEqual(costs, bills, "one entry for each call that arrived, and each is what was billed");
    const sum = bills.reduce((total, micros) => total + micros, 0);
    assert.equal((await money(house)).settled, sum);
    const { prefixes, micros } = await mostUsed(house.db);
    assert.ok(prefixes > arrived.length, `${prefixes} prefixes of the ledger`);
    assert.ok(micros <= cap, `${micros} micro-dollars at some prefix of the ledger`);
    assert.ok(micros > 0.8 * cap, `no more than ${micros} were ever in use`);
    const kinds = new Set(arrived.map(({ fault }) => fault?.kind));
    assert.ok(arrived.length > 30 && kinds.size >= 5, `${arrived.length} calls, of ${kinds.size} kinds`);
  });
}

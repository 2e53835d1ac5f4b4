/** Owns the proof that the reconciliation report is right: a day of calls, summed by hand from the provider's own log, in every breakdown. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { LEDGER_GROUPS } from "@master-orchestrator/contract";
import { chance } from "#test/chance.ts";
import { call, MODEL, openGateway } from "#test/gateway-caller.ts";
import { ADMIN_KEY, type TestHouse } from "#test/house.ts";
import type { Fault, Usage } from "#test/stub-provider.ts";

const GEMINI = "gemini-2.5-flash";
/** Thousandths of a micro-dollar for a token, as the price list has them. */
const PRICES = {
  openai: { input: 150, cached: 75, output: 600 },
  gemini: { input: 300, cached: 30, output: 2_500 },
};
const FAULTS: (Fault | undefined)[] = [
  ...Array.from({ length: 6 }, () => undefined),
  { kind: "status", status: 400, body: { error: { message: "no", type: "x", code: "y" } } },
  { kind: "nonsense" },
  { kind: "no_usage" },
];

/** Whose money it is, by the words of the report. */
type Names = Record<(typeof LEDGER_GROUPS)[number], string | null>;
interface Sums {
  calls: number;
  reserved: number;
  settled: number;
  held: number;
  released: number;
  assumed: number;
  input: number;
  output: number;
}
interface Charge extends Sums {
  names: Names;
}

interface Planned {
  text: string;
  path: string;
  key: string;
  names: Names;
  mostOutput: number;
  usage: Usage;
  fault: Fault | undefined;
}

/** What one call has to come to, told by what the provider did. */
function chargeOf({ names, text, mostOutput, usage, fault }: Planned): Charge {
  const { input, cached, output } = PRICES[names.provider as keyof typeof PRICES];
  const part = usage.cached ?? 0;
  const reserved = Math.ceil((text.length * input + mostOutput * output) / 1_000);
  const charge = { names, calls: 1, reserved, held: 0, released: 0, assumed: 0 };
  if (fault?.kind === "status") return { ...charge, settled: 0, input: 0, output: 0 };
  if (fault)
    return { ...charge, settled: reserved, assumed: reserved, input: text.length, output: mostOutput };
  const billed = (usage.input - part) * input + part * cached + usage.output * output;
  return { ...charge, settled: Math.floor((billed + 500) / 1_000), input: usage.input, output: usage.output };
}

function summed(charges: readonly Charge[], by: keyof Names): Map<string | null, Sums> {
  const groups = new Map<string | null, Sums>();
  for (const { names, ...charge } of charges) {
    const group = groups.get(names[by]);
    if (!group) groups.set(names[by], charge);
    else for (const name of Object.keys(charge) as (keyof Sums)[]) group[name] += charge[name];
  }
  return groups;
}

const micros = (usd: number) => Math.round(usd * 1e6);

async function reported(house: TestHouse, by: string): Promise<Map<string | null, Sums>> {
  const { body } = await house.api("GET", `/budget/summary?by=${by}`);
  assert.equal(body.agrees, true);
  // biome-ignore lint/suspicious/noExplicitAny: as the wire has it
  const read = (group: any): Sums => ({
    calls: group.calls,
    reserved: micros(group.reserved_usd),
    settled: micros(group.settled_usd),
    held: micros(group.held_usd),
    released: micros(group.released_usd),
    assumed: micros(group.assumed_usd),
    input: group.input_tokens,
    output: group.output_tokens,
  });
  // biome-ignore lint/suspicious/noExplicitAny: as the wire has it
  const groups = new Map<string | null, Sums>(body.groups.map((group: any) => [group.name, read(group)]));
  const settled = [...groups.values()].reduce((sum, group) => sum + group.settled, 0);
  assert.equal(micros(body.settled_usd), settled, `the total of ${by}`);
  return groups;
}

test("what was reserved, settled, released and assumed, by whom: as the provider's log says, to the micro-dollar", async (t) => {
  const random = chance(7);
  const { house, provider } = await openGateway(t, {
    workflows: { writer: {}, checker: {} },
    policy: { providers: { openai: {}, gemini: {} } },
    expectedErrors: /./,
  });
  await house.enqueue(
    ...["news", "how_to"].flatMap((content_type) =>
      ["writer", "checker"].map((workflow_type) => ({ workflow_type, content_type })),
    ),
  );
  const runs = ["writer", "checker"].flatMap((type) => house.workflow(type).deliveries);
  assert.equal(runs.length, 4);
  const callers = runs.map(({ message, token }) => ({
    key: token,
    workflow: message.workflow_type,
    content_type: message.input_data.tasks[0]?.content_type as string,
    execution: message.execution_id,
    actor: `execution ${message.execution_id}, attempt 1`,
  }));
  const nobody = { key: ADMIN_KEY, workflow: null, content_type: null, execution: null };
  const all = [...callers, { ...nobody, actor: "the admin key (admin)" }];

  const planned = new Map<string, Planned>();
  for (let n = 0; n < 60; n++) {
    const { key, ...whose } = random.oneOf(all);
    const openai = random.maybe(0.5);
    const stream = random.maybe(0.5);
    const mostOutput = random.int(50, 400);
    const said = `call-${n}; ${"x".repeat(80)}`;
    const body = openai
      ? { model: MODEL, stream, max_tokens: mostOutput, messages: [{ role: "user", content: said }] }
      : { contents: [{ parts: [{ text: said }] }], generationConfig: { maxOutputTokens: mostOutput } };
    const input = random.int(20, 60);
    planned.set(`call-${n}`, {
      key,
      text: JSON.stringify(body),
      path: openai
        ? "/ai/openai/v1/chat/completions"
        : `/ai/gemini/v1beta/models/${GEMINI}:${stream ? "streamGenerateContent?alt=sse" : "generateContent"}`,
      names: {
        ...{ provider: openai ? "openai" : "gemini", model: openai ? MODEL : GEMINI, source: "gateway" },
        ...whose,
      },
      mostOutput,
      usage: { input, cached: random.int(0, input), output: random.int(0, mostOutput) },
      fault: random.oneOf(FAULTS),
    });
  }
  const planOf = ({ text }: { text: string }) => planned.get(/call-\d+/.exec(text)?.[0] ?? "") as Planned;
  provider.uses((arrival) => planOf(arrival).usage);
  provider.fares((arrival) => planOf(arrival).fault);
  await Promise.all(
    [...planned.values()].map(({ path, key, text }) => call(house, { path, key, body: text })),
  );
  const charges = provider.arrivals.map((arrival) => chargeOf(planOf(arrival)));
  assert.equal(charges.length, planned.size);

  // Besides the gateway: a permit that was given back, one whose cost was reported, and a callback that tells of more.
  const permit = { count: 1, provider: "gemini", max_cost_usd: 0.5 };
  const direct: Names = {
    ...{ provider: "gemini", model: null, workflow: null, content_type: null },
    ...{ source: "permit", actor: "the admin key (admin)", execution: null },
  };
  const none = { calls: 1, held: 0, released: 0, assumed: 0, input: 0, output: 0 };
  for (const usage of [{ unused: true }, { cost_usd: 0.123_457 }]) {
    const { permit_id } = (await house.api("POST", "/permits", permit)).body;
    const answer = await house.api("POST", "/usage", { permit_id, ...usage });
    assert.equal(answer.status, 200);
    const settled = "cost_usd" in usage ? 123_457 : 0;
    charges.push({ ...none, names: direct, reserved: 500_000, settled, released: settled ? 0 : 500_000 });
  }
  const [told] = callers as [(typeof callers)[number]];
  const metered = charges
    .filter(({ names }) => names.execution === told.execution)
    .reduce((sum, { settled }) => sum + settled, 0);
  const { key: _, ...whose } = told;
  assert.equal((await runs[0]?.callback({ metrics: { cost_usd: 1 } }))?.status, 200);
  await house.quiet();
  const rest = { ...none, reserved: 0, settled: 1_000_000 - metered };
  charges.push({
    ...rest,
    names: { provider: null, model: null, ...whose, source: "callback", actor: "callback" },
  });

  for (const by of LEDGER_GROUPS) {
    assert.deepEqual(await reported(house, by), summed(charges, by), `by ${by}`);
  }
  for (const { execution } of callers) {
    const own = charges.filter(({ names }) => names.execution === execution);
    const { cost_usd } = (await house.api("GET", `/executions/${execution}`)).body;
    assert.equal(
      micros(cost_usd),
      own.reduce((sum, { settled }) => sum + settled, 0),
    );
  }
});

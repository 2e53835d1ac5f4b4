/** Gemini and OpenAI as they are on an ordinary day: slow, limited, sometimes in trouble; their log is the judge of every limit. */
import {
  type Arrival,
  type Fault,
  mostIn,
  type StubProvider,
  stubProvider,
} from "../../server/test/stub-provider.ts";
import { answerTo, askedFor, type Question, questionOf } from "./newsroom.ts";
import { chance } from "./topics.ts";

export const LIMITS = { gemini: 60, openai: 50 } as const;
export type Provider = keyof typeof LIMITS;
const WINDOW_MS = 60_000;

/** Of a thousand calls. */
const TROUBLE = { "429": 8, "5xx": 12, nonsense: 2, "no answer": 2 } as const;
type Trouble = keyof typeof TROUBLE;
/** Seconds that an answer takes, from and to; three calls in a hundred take four times as long. */
const SECONDS: Readonly<Record<Question, [number, number]>> = {
  outline: [2, 5],
  article: [5, 14],
  revision: [5, 14],
  verdict: [2, 6],
  names: [1, 2],
  other: [1, 4],
};
const SLOW_OF_100 = 3;
const SLOW_TIMES = 4;

export interface DayProvider {
  stub: StubProvider;
  figures(): ProviderFigures;
}

export interface ProviderFigures {
  calls: Record<Provider, number>;
  /** The most that arrived within any sixty seconds. */
  mostInAMinute: Record<Provider, number>;
  /** Calls that came though the minute was full: each is a breach. */
  breaches: number;
  /** Answers that were none, by what they were. */
  faults: Record<string, number>;
  /** Questions that were answered well more than once. */
  repeated: number;
}

export function providerOf({ path }: Pick<Arrival, "path">): Provider {
  return path.startsWith("/v1beta") || path.includes(":") ? "gemini" : "openai";
}

/** `wait`: how its seconds pass. */
export async function dayProvider(options: {
  seed: number;
  nowMs(): number;
  wait(ms: number): Promise<void>;
  after(done: () => void): void;
}): Promise<DayProvider> {
  const { seed, nowMs, wait } = options;
  const random = chance(seed);
  const answered = new Map<string, number>();
  const faults: Record<string, number> = {};
  let breaches = 0;
  const stub = await stubProvider(
    { after: (done: unknown) => options.after(done as () => void) } as never,
    nowMs,
  );
  const count = (name: string, fault: Fault): Fault => {
    faults[name] = (faults[name] ?? 0) + 1;
    return fault;
  };
  stub.fares((arrival) => {
    const provider = providerOf(arrival);
    if (inTheLastMinute(stub.arrivals, arrival) > LIMITS[provider]) {
      breaches++;
      return count("429 for a breach", tooMany(provider));
    }
    const kind = troubleOf(random() * 1_000);
    if (kind) return count(kind, faultOf(kind, provider, random));
    answered.set(askedFor(arrival), (answered.get(askedFor(arrival)) ?? 0) + 1);
    return undefined;
  });
  stub.takes(async (arrival) => {
    const [from, to] = SECONDS[questionOf(arrival)];
    const slow = random() * 100 < SLOW_OF_100 ? SLOW_TIMES : 1;
    await wait((from + (to - from) * random()) * 1_000 * slow);
  });
  stub.says(answerTo);
  stub.uses((arrival) => ({
    input: Math.ceil(arrival.text.length / 4),
    output: Math.ceil((answerTo(arrival)?.length ?? 40) / 4) + 150,
    thinking: 150,
  }));
  const of = (provider: Provider) => stub.arrivals.filter((arrival) => providerOf(arrival) === provider);
  return {
    stub,
    figures: () => ({
      calls: { gemini: of("gemini").length, openai: of("openai").length },
      mostInAMinute: {
        gemini: mostIn(of("gemini"), WINDOW_MS),
        openai: mostIn(of("openai"), WINDOW_MS),
      },
      breaches,
      faults,
      repeated: [...answered.values()].filter((times) => times > 1).length,
    }),
  };
}

function inTheLastMinute(arrivals: readonly Arrival[], { atMs, path }: Arrival): number {
  const provider = providerOf({ path });
  let seen = 0;
  for (let i = arrivals.length - 1; i >= 0; i--) {
    const arrival = arrivals[i] as Arrival;
    if (arrival.atMs <= atMs - WINDOW_MS) break;
    if (providerOf(arrival) === provider) seen++;
  }
  return seen;
}

function troubleOf(drawn: number): Trouble | null {
  let from = 0;
  for (const [kind, times] of Object.entries(TROUBLE) as [Trouble, number][]) {
    if (drawn < from + times) return kind;
    from += times;
  }
  return null;
}

function faultOf(kind: Trouble, provider: Provider, random: () => number): Fault {
  if (kind === "429") return tooMany(provider);
  if (kind === "5xx") return inTrouble(random() < 0.5 ? 500 : 503);
  return kind === "nonsense" ? { kind: "nonsense" } : { kind: "hang" };
}

function tooMany(provider: Provider): Fault {
  if (provider === "openai") {
    const error = { message: "Rate limit reached", type: "requests", code: "rate_limit_exceeded" };
    return { kind: "status", status: 429, headers: { "retry-after": "3" }, body: { error } };
  }
  const details = [{ "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "3s" }];
  const error = { code: 429, message: "Resource exhausted", status: "RESOURCE_EXHAUSTED", details };
  return { kind: "status", status: 429, body: { error } };
}

function inTrouble(status: number): Fault {
  const error = { code: status, message: "The model is overloaded", status: "UNAVAILABLE" };
  return { kind: "status", status, body: { error } };
}

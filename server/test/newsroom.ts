/** Owns models that write and judge for tests: what the stub provider says when the pipeline asks. Decides nothing. */
import type { Arrival, StubProvider } from "./stub-provider.ts";

export type Question = "outline" | "article" | "revision" | "verdict" | "names";

export interface Newsroom {
  /** What was asked, in order, with the model that was asked. */
  asked(): { question: Question; model: string }[];
  /** How often each thing was asked. */
  counts(): Partial<Record<Question, number>>;
}

export interface Script {
  /** The marks of each verdict in turn, the last one for ever; 4 for everything when left out. */
  marks?: number[];
  /** Numbers of claims that each verdict doubts, in turn; none when left out. */
  doubts?: number[][];
  /** What is said about names in doubt. */
  names?: object[];
  /** Told apart by this, for articles that must not be alike. */
  text?(arrival: Arrival): string;
}

const TEXT =
  "Heat pumps move heat instead of making it, which is why one kilowatt-hour of electricity becomes three of heat.";

/** Makes `provider` answer as a newsroom does. */
export function newsroom(provider: StubProvider, script: Script = {}): Newsroom {
  let verdicts = 0;
  const turn = <T>(list: readonly T[] | undefined, n: number, otherwise: T): T =>
    list?.[Math.min(n, list.length - 1)] ?? otherwise;
  provider.says((arrival) => {
    const question = questionOf(arrival);
    if (question === "outline") {
      const points = [{ claim: "Heat is moved", sources: [1] }];
      return JSON.stringify({
        angle: "How it works",
        sections: [{ heading: "How", points }],
        not_covered: [],
      });
    }
    if (question === "names") return JSON.stringify({ decisions: script.names ?? [] });
    if (question === "verdict") {
      const n = verdicts++;
      const mark = { reason: "as it is", mark: turn(script.marks, n, 4) };
      const unsupported = turn(script.doubts, n, []).map((claim) => ({ claim, why: "no source says so" }));
      const marks = { interest: mark, organisation: mark, relevance: mark, coverage: mark };
      return JSON.stringify({
        unsupported,
        ...marks,
        findings: mark.mark < 4 ? ["Say more of the costs"] : [],
      });
    }
    return JSON.stringify(articleOf(script.text?.(arrival) ?? TEXT, question === "revision"));
  });
  const asked = () =>
    provider.arrivals.flatMap((arrival) => {
      const question = questionOf(arrival);
      return question ? [{ question, model: modelOf(arrival) }] : [];
    });
  return {
    asked,
    counts() {
      const counts: Partial<Record<Question, number>> = {};
      for (const { question } of asked()) counts[question] = (counts[question] ?? 0) + 1;
      return counts;
    },
  };
}

function articleOf(text: string, revised: boolean): object {
  const claims = [
    { text, sources: [1] },
    { text: "The compressor squeezes the vapour, which makes it hot.", sources: [1] },
  ];
  const block = { list: false, claims };
  return {
    title: revised ? "Warm without a boiler, revised" : "Warm without a boiler",
    summary: "Heat pumps move heat.",
    sections: [
      { heading: "How it works", blocks: [block] },
      { heading: "What it means", blocks: [{ list: true, claims: claims.toReversed() }] },
    ],
    key_facts: [],
    pull_quote: null,
    citations: [{ source: 1, quote: "Heat pumps move heat instead of making it" }],
  };
}

/** By its instructions, which both providers get in a form of their own. */
function questionOf({ text }: Arrival): Question | null {
  if (text.includes("You plan articles")) return "outline";
  if (text.includes("You judge an article")) return "verdict";
  if (text.includes("You decide whether a name")) return "names";
  if (!text.includes("You write clear, accurate articles")) return null;
  return text.includes("An editor found:") ? "revision" : "article";
}

function modelOf({ path, body }: Arrival): string {
  const gemini = /models\/([^:]+):/.exec(path)?.[1];
  return gemini === undefined ? `openai/${body.model}` : `gemini/${gemini}`;
}

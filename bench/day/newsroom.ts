/** What the stub's models say: articles out of the very sources they are given, and verdicts. Knows no HTTP. */
import { createHash } from "node:crypto";
import type { Arrival } from "../../server/test/stub-provider.ts";

export type Question = "outline" | "article" | "revision" | "verdict" | "names" | "other";

interface Source {
  number: number;
  sentences: string[];
}

/** By its instructions, which both providers get in a form of their own. */
export function questionOf({ text }: Pick<Arrival, "text">): Question {
  if (text.includes("You plan articles")) return "outline";
  if (text.includes("You judge an article")) return "verdict";
  if (text.includes("You decide whether a name")) return "names";
  if (!text.includes("You write clear, accurate articles")) return "other";
  return text.includes("An editor found:") ? "revision" : "article";
}

/** What was asked, the same for the same question about the same material. */
export function askedFor(arrival: Pick<Arrival, "text" | "path">): string {
  return createHash("sha1").update(arrival.path).update(arrival.text).digest("hex");
}

/** Of a hundred first verdicts, so many are below the bar, so that a revision follows. */
const WEAK_OF_100 = 8;

/** The whole answer, as JSON of the form that was asked for. */
export function answerTo(arrival: Pick<Arrival, "text" | "path" | "body">): string | null {
  const question = questionOf(arrival);
  if (question === "other") return null;
  const prompt = promptOf(arrival.body);
  switch (question) {
    case "names":
      return JSON.stringify({
        decisions: [...prompt.matchAll(/^Name (\d+):/gm)].map(([, number]) => ({
          ...{ name: Number(number), same_as: null, sure: true },
          why: "the text means another one",
        })),
      });
    case "outline":
      return JSON.stringify(outlineOf(sourcesIn(prompt)));
    case "verdict":
      return JSON.stringify(verdictOn(prompt));
    default:
      return JSON.stringify(articleOf(sourcesIn(prompt), prompt));
  }
}

function promptOf(body: Arrival["body"]): string {
  const gemini = body?.contents?.at(-1)?.parts?.map((part: { text: string }) => part.text);
  const openai = body?.messages?.at(-1)?.content;
  return gemini ? gemini.join("") : typeof openai === "string" ? openai : (openai?.[0]?.text ?? "");
}

function sourcesIn(prompt: string): Source[] {
  return [...prompt.matchAll(/^\[(\d+)\] .*\n"""\n([\s\S]*?)\n"""/gm)].map(([, number, text]) => ({
    number: Number(number),
    sentences: (text as string).split(/(?<=[.!?])\s+/).filter((sentence) => sentence.length > 20),
  }));
}

function outlineOf(sources: readonly Source[]): object {
  const sections = sources.map(({ number, sentences }) => ({
    heading: headingOf(sentences[0] ?? "What is known"),
    points: sentences.slice(0, 4).map((claim) => ({ claim, sources: [number] })),
  }));
  return { angle: "What the sources say of it", sections, not_covered: [] };
}

/** Sentence by sentence from the sources, so that every claim of it is supported. */
function articleOf(sources: readonly Source[], prompt: string): object {
  const parts = sources.flatMap(({ number, sentences }) => {
    const half = Math.ceil(sentences.length / 2);
    return [sentences.slice(0, half), sentences.slice(half)]
      .filter((part) => part.length > 0)
      .map((part) => ({
        heading: headingOf(part[0] as string),
        blocks: [{ list: false, claims: part.map((text) => ({ text, sources: [number] })) }],
      }));
  });
  // A revision begins otherwise: it is another article, and judged as one.
  const opening = prompt.includes("An editor found:") ? 1 : 0;
  const first = sources[0]?.sentences[opening] ?? sources[0]?.sentences[0] ?? "It is as the brief says.";
  return {
    title: /^Title: (.*)$/m.exec(prompt)?.[1] ?? "Untitled",
    summary: first,
    sections: parts,
    key_facts: sources.map(({ number, sentences }) => ({ text: sentences.at(-1), sources: [number] })),
    pull_quote: first,
    citations: sources.map(({ number, sentences }) => ({ source: number, quote: sentences[0] })),
  };
}

function headingOf(sentence: string): string {
  return sentence
    .split(/\s+/)
    .slice(0, 6)
    .join(" ")
    .replace(/[,.;:]$/, "");
}

/** What is judged decides, so that the same article is judged alike by whoever asks again. */
function verdictOn(prompt: string): object {
  const weak = createHash("sha1").update(prompt).digest().readUInt32BE(0) % 100 < WEAK_OF_100;
  const mark = { reason: "As it reads.", mark: weak ? 2 : 4 };
  return {
    unsupported: [],
    ...{ interest: mark, organisation: mark, relevance: mark, coverage: mark },
    findings: weak ? ["Say first what the reader came for."] : [],
  };
}

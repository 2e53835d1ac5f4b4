/** Owns the writer that asks a model: outline, article, revision. Never falls back to another writer. */
import { numberedText } from "../article/claims.ts";
import type { ResolvedEntity } from "../entities/resolve.ts";
import { hasSourceText, type Topic } from "../topic.ts";
import type { Draft, Outline, Quote, Section, Writer } from "./draft.ts";
import { citationOf } from "./markdown.ts";
import { type AskedModel, ask, modelName } from "./model.ts";
import { OUTPUT_TOKENS } from "./models.ts";
import {
  articlePrompt,
  INSTRUCTIONS,
  ModelArticle,
  ModelOutline,
  OUTLINE_INSTRUCTIONS,
  promptFor,
  revisionPrompt,
} from "./prompt.ts";

type Names = readonly Pick<ResolvedEntity, "name">[];

/**
 * A writer that asks one model. Rejects with the gateway's own refusal (rate, budget, unknown model),
 * when the provider fails, and when the answer is not an article.
 */
export function modelWriter(asked: AskedModel): Writer {
  const generator = modelName(asked);
  const log = asked.log ?? (() => {});
  async function article(topic: Topic, prompt: string, signal: AbortSignal): Promise<Draft> {
    const answer = await ask(asked, {
      name: "article",
      schema: ModelArticle,
      instructions: INSTRUCTIONS,
      prompt,
      maxOutputTokens: OUTPUT_TOKENS.article,
      signal,
    });
    return draftFrom(answer, topic, generator, log);
  }
  return {
    generator,
    async outline(topic: Topic, names: Names, signal: AbortSignal): Promise<Outline> {
      const answer = await ask(asked, {
        name: "outline",
        schema: ModelOutline,
        instructions: OUTLINE_INSTRUCTIONS,
        prompt: promptFor(topic, names),
        maxOutputTokens: OUTPUT_TOKENS.outline,
        signal,
      });
      return outlineFrom(answer, topic);
    },
    write: (topic, names, outline, signal) =>
      article(topic, outline ? articlePrompt(topic, names, outline) : promptFor(topic, names), signal),
    revise: (topic, names, { draft, findings }, signal) =>
      article(topic, revisionPrompt(topic, names, numberedText(draft), findings), signal),
  };
}

/** An outline whose points name sources that there are. Throws for one without a section. */
export function outlineFrom(answer: ModelOutline, topic: Topic): Outline {
  const sections = answer.sections
    .map(({ heading, points }) => ({
      heading: heading.trim(),
      points: points.map(({ claim, sources }) => ({
        claim,
        sources: known(sources, topic).map((i) => i + 1),
      })),
    }))
    .filter(({ heading, points }) => heading !== "" && points.length > 0);
  if (sections.length === 0) throw new Error("the outline has no sections");
  return { ...answer, sections };
}

/**
 * Turns a model's answer into a draft. What it claims to quote has to stand in the source, or the
 * quotation is dropped; citations of sources that do not exist are dropped as well. Throws for an
 * answer without text.
 */
export function draftFrom(
  answer: ModelArticle,
  topic: Topic,
  generator: string,
  log: (message: string, details?: Record<string, unknown>) => void,
): Draft {
  const sections = answer.sections
    .map(
      ({ heading, blocks }): Section => ({
        heading: heading.replace(/^#+\s*/, "").trim(),
        markdown: blocks
          .map((block) => blockText(block, topic))
          .filter((text) => text !== "")
          .join("\n\n"),
      }),
    )
    .filter((section) => section.heading !== "" && section.markdown !== "");
  const title = answer.title.trim();
  if (sections.length === 0 || title === "") throw new Error("the answer has no title or no sections");
  const citations = answer.citations.flatMap(({ source, quote }): Quote[] =>
    stands(quote, topic, source - 1) ? [{ text: quote.trim(), source: source - 1 }] : [],
  );
  const dropped = answer.citations.length - citations.length;
  if (dropped > 0) log("quotations that are not in the source were dropped", { dropped });
  if (hasSourceText(topic) && citations.length === 0) log("no quotation of this article could be verified");
  const quoted = answer.pull_quote?.trim();
  const quotedFrom = quoted ? topic.sources.findIndex((_, i) => stands(quoted, topic, i)) : -1;
  return {
    title,
    summary: answer.summary.trim() || title,
    lead: "",
    sections,
    keyFacts: answer.key_facts
      .map(({ text, sources }) => ({ text: unnumbered(text), source: known(sources, topic)[0] ?? null }))
      .filter(({ text }) => text !== "")
      .slice(0, 5),
    pullQuote: quoted && quotedFrom >= 0 ? { text: quoted, source: quotedFrom } : null,
    citations,
    generator,
  };
}

type Block = ModelArticle["sections"][number]["blocks"][number];

/** A paragraph or a list, each claim with links to the sources that it rests on. */
function blockText({ list, claims }: Block, topic: Topic): string {
  const texts = claims
    .map(({ text, sources }) => {
      const numbers = [...text.matchAll(NUMBERED)].flatMap(([, given]) => given!.split(",").map(Number));
      const plain = unnumbered(text).replace(/\s*\n\s*/g, " ");
      const cited = known([...sources, ...numbers], topic)
        .map(citationOf)
        .join("");
      return plain === "" ? "" : `${plain}${cited}`;
    })
    .filter((text) => text !== "");
  return list ? texts.map((text) => `- ${text}`).join("\n") : texts.join(" ");
}

const NUMBERED = /\s*\[(\d{1,2}(?:\s*,\s*\d{1,2})*)\](?!\()/g;

function unnumbered(text: string): string {
  return text.replace(NUMBERED, "").trim();
}

/** Numbers of sources as their indices: those that were read, each once, in order. */
function known(numbers: readonly number[], topic: Topic): number[] {
  const there = numbers.map((number) => number - 1).filter((i) => topic.sources[i]?.text !== undefined);
  return [...new Set(there)].sort((a, b) => a - b);
}

/** Whether `quote` stands in the source, give or take white space, quotation marks and case. */
function stands(quote: string, topic: Topic, source: number): boolean {
  const text = topic.sources[source]?.text;
  const wanted = plain(quote);
  return text !== undefined && wanted.length >= 12 && plain(text).includes(wanted);
}

function plain(text: string): string {
  return text
    .toLowerCase()
    .replace(/[“”„"'’‘]/g, "")
    .replace(/\s+/g, " ")
    .trim()
    .replace(/[.…]+$/, "");
}

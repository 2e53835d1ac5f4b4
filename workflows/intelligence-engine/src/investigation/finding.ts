/** Owns the words of an investigation's finding, and how sure it is. Pure: nothing is said that is not in the evidence. */
import { addDays, inWords } from "../days.ts";
import { ABOUT, shown, shownChange, shownShare } from "../metrics.ts";
import type { Evidence, Part } from "./investigate.ts";

export type Confidence = "high" | "medium" | "low";

export interface Finding {
  headline: string;
  /** Sentences. */
  words: string[];
  confidence: Confidence;
  /** Why no more than that. */
  confidence_because: string;
}

/** From so many robust standard deviations on a difference is told as one. */
const TOLD_FROM = 2.5;
const SURE_FROM = 4;
/** A part that carries so much of the difference is what it came from. */
const CARRIES = 0.5;

export function findingOf(evidence: Evidence): Finding {
  const { comparison, metric, subject, label } = evidence;
  const what = subject === "all" ? ABOUT[metric].words : `${ABOUT[metric].words} of ${label}`;
  const span = inWords({
    from: evidence.from,
    to: evidence.to > evidence.from ? evidence.to : addDays(evidence.from, 1),
  });
  if (!comparison) {
    return {
      headline: `Nothing can be said of ${what} on ${span}`,
      words: [
        `There are no numbers of ${span}, or none before it to compare with.`,
        ...evidence.notes.map(sentence),
        ...happened(evidence),
      ],
      confidence: "low",
      confidence_because: "there is nothing to compare",
    };
  }
  const { unit } = ABOUT[metric];
  const { z, before, after } = comparison;
  const differs = z !== null && Math.abs(z) >= TOLD_FROM;
  const change = shownChange(before, after) ?? (after > 0 ? "from nothing" : "no change");
  const numbers = `${shown(after, unit)} a day against ${shown(before, unit)} on the same weekdays of the ${comparison.spans} spans before`;
  const words = [
    differs
      ? `${upper(what)}, ${span}: ${numbers} (${change}), ${Math.abs(z).toFixed(1)} robust standard deviations ${z > 0 ? "above" : "below"} what is usual.`
      : `${upper(what)}, ${span}: ${numbers} (${change}). That is within what is usual${z === null ? ", as far as so few spans tell" : ""}.`,
    ...(differs ? carriers(evidence) : []),
    ...moments(evidence),
    ...unknown(evidence),
    ...happened(evidence),
    ...evidence.notes.map(sentence),
  ];
  const headline = differs
    ? `${upper(what)} ${change} on ${span}${mainCause(evidence)}`
    : `${upper(what)} on ${span}: nothing unusual (${change})`;
  return { headline, words, ...confidenceOf(evidence) };
}

const upper = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);
const sentence = (text: string) => `${upper(text)}.`;

/** The parts that carry most of the difference, by dimension; or that it was all of them alike. */
function carriers({ parts, metric }: Evidence): string[] {
  const { unit } = ABOUT[metric];
  return [...Map.groupBy(parts, ({ dimension }) => dimension)].map(([dimension, members]) => {
    const told = members
      .filter(({ share_of_change: share }) => share !== null && share >= 0.1)
      .slice(0, 3)
      .map(
        ({ label, before, after, share_of_change: share }) =>
          `${label} (${shown(before, unit)} → ${shown(after, unit)} a day, ${shownShare(share as number)} of the difference)`,
      );
    if (alike(members))
      return `By ${dimension} the difference is much the same everywhere: its cause is no single one of them.`;
    if (told.length === 0) return `By ${dimension} no member carries a tenth of it.`;
    return `By ${dimension}: ${told.join("; ")}.`;
  });
}

/** Whether all members of some size changed by much the same factor. */
function alike(members: readonly Part[]): boolean {
  const total = members.reduce((sum, { before }) => sum + before, 0);
  const large = members.filter(({ before }) => before >= 0.05 * total && before > 0);
  if (large.length < 3) return false;
  const factors = large.map(({ before, after }) => after / before);
  return Math.max(...factors) - Math.min(...factors) < 0.2;
}

function mainCause({ parts }: Evidence): string {
  // The finest that carries it: of several the one with the largest share.
  const [main] = parts
    .filter(({ share_of_change: share, member }) => share !== null && share >= CARRIES && member !== "")
    .filter(({ dimension }) => !alike(parts.filter((part) => part.dimension === dimension)))
    .sort((a, b) => (b.share_of_change as number) - (a.share_of_change as number));
  return main ? `, most of it from the ${main.dimension} ${main.label}` : "";
}

function moments({ moments: found, metric }: Evidence): string[] {
  const { unit } = ABOUT[metric];
  return found.map(({ day, kind, value, expected }) => {
    const on = inWords({ from: day, to: addDays(day, 1) });
    return kind === "change"
      ? `The level changed around ${on}: from ${shown(expected, unit)} to ${shown(value, unit)} a day.`
      : `${on} stands out: ${shown(value, unit)} where ${shown(expected, unit)} is usual.`;
  });
}

function unknown({ comparison }: Evidence): string[] {
  const days = comparison?.unknownDays ?? [];
  if (days.length === 0) return [];
  return [
    `Nothing is known of ${days.length} of these days (${days.slice(0, 7).join(", ")}${days.length > 7 ? ", …" : ""}): they are left out.`,
  ];
}

/** At the same time is not because of it: said as such. */
function happened({ coincidences }: Evidence): string[] {
  if (coincidences.length === 0)
    return ["In the house nothing was changed and nothing went wrong at that time."];
  const told = coincidences.slice(-5).map(({ at, kind, subject, what }) => {
    const whose = kind === subject ? kind : `${kind} ${subject}`;
    return `${at.slice(0, 16).replace("T", " ")} ${whose}: ${what.slice(0, 200)}`;
  });
  return [`At the same time, not necessarily because of it (${coincidences.length}): ${told.join("; ")}.`];
}

function confidenceOf({ comparison, parts }: Evidence): Pick<Finding, "confidence" | "confidence_because"> {
  if (!comparison) return { confidence: "low", confidence_because: "there is nothing to compare" };
  const { z, spans, knownDays, unknownDays } = comparison;
  if (z === null) return { confidence: "low", confidence_because: `only ${spans} spans before are known` };
  if (unknownDays.length > knownDays)
    return { confidence: "low", confidence_because: "most of these days are unknown" };
  const clear = Math.abs(z) >= SURE_FROM || Math.abs(z) < 1.5;
  if (clear && spans >= 5 && unknownDays.length === 0) {
    const carried = parts.some(({ share_of_change: share }) => share !== null && share >= CARRIES);
    if (Math.abs(z) < 1.5 || carried)
      return {
        confidence: "high",
        confidence_because: `${Math.abs(z).toFixed(1)} robust standard deviations, ${spans} spans before`,
      };
    return {
      confidence: "medium",
      confidence_because: "the difference is clear, but no part carries most of it",
    };
  }
  return {
    confidence: "medium",
    confidence_because: clear
      ? `${spans} spans before, ${unknownDays.length} days unknown`
      : `${Math.abs(z).toFixed(1)} robust standard deviations are suggestive, not clear`,
  };
}

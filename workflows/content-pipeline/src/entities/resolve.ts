/** Owns the decision which known entity a name means, and its recording. Finds no names, knows no SQL. */
import type { KnownEntity, Library } from "../library.ts";
import type { Candidate } from "./names.ts";
import { isPlace, matchingKeys, normalizeName, significant, trigramSimilarity } from "./normalize.ts";

export interface ResolvedEntity {
  entityId: string;
  /** As the library shows it. */
  name: string;
  /** As this topic writes it. */
  mention: string;
  resolution: "same" | "alias" | "new";
}

/** What a name means, given the entities it might be. `confidence` is 0–1. */
export type Decision =
  | { kind: "same"; entityId: string; confidence: number }
  | { kind: "alias"; entityId: string; confidence: number }
  | { kind: "new"; confidence: number };

/** The seam for other judges: a model, or one that sends unsure decisions to a person. */
export type EntityJudge = (name: string, known: readonly KnownEntity[]) => Decision | Promise<Decision>;

/** Below this trigram similarity two names of equal length are two entities. */
export const SIMILARITY_THRESHOLD = 0.75;
const CONTAINMENT_CONFIDENCE = 0.9;

/**
 * Decides by rule: the same normalised alias is the same entity; a longer form of the same name, or a
 * spelling that differs little, is an alias of it; anything else is new. Numbers that differ, and
 * places that differ, always part two names.
 */
export function judgeByRule(name: string, known: readonly KnownEntity[]): Decision {
  const normalized = normalizeName(name);
  let best: Decision = { kind: "new", confidence: 1 };
  let bestScore = 0;
  for (const entity of known) {
    if (entity.aliases.includes(normalized))
      return { kind: "same", entityId: entity.entityId, confidence: 1 };
    if (entity.aliases.some((alias) => placesDiffer(normalized, alias))) continue;
    for (const alias of entity.aliases) {
      const score = likeness(normalized, alias);
      if (score > bestScore) {
        bestScore = score;
        best = { kind: "alias", entityId: entity.entityId, confidence: score };
      }
    }
  }
  return bestScore >= SIMILARITY_THRESHOLD ? best : { kind: "new", confidence: 1 - bestScore };
}

/**
 * Resolves every candidate against the library and records what is new. A name that another run adds
 * at the same moment resolves to that run's entity: the library's unique aliases decide.
 */
export async function resolveEntities(
  candidates: readonly Candidate[],
  library: Library,
  judge: EntityJudge = judgeByRule,
): Promise<ResolvedEntity[]> {
  if (candidates.length === 0) return [];
  const keys = new Set(candidates.flatMap((each) => matchingKeys(normalizeName(each.name))));
  const known = new Map((await library.entitiesLike([...keys])).map((entity) => [entity.entityId, entity]));
  const resolved = new Map<string, ResolvedEntity>();
  for (const candidate of candidates) {
    const entity = await resolveOne(candidate, known, library, judge);
    if (!resolved.has(entity.entityId)) resolved.set(entity.entityId, entity);
  }
  return [...resolved.values()];
}

async function resolveOne(
  candidate: Candidate,
  known: Map<string, KnownEntity>,
  library: Library,
  judge: EntityJudge,
): Promise<ResolvedEntity> {
  const alias = normalizeName(candidate.name);
  const keys = matchingKeys(alias);
  const decision = await judge(candidate.name, [...known.values()]);
  let owner: { entityId: string; name: string };
  let resolution: ResolvedEntity["resolution"] = decision.kind;
  if (decision.kind === "new") {
    const added = await library.addEntity({ name: candidate.name, alias, keys });
    if (!added.created) resolution = "same";
    owner = added;
  } else if (decision.kind === "alias") {
    owner = await library.addAlias({ entityId: decision.entityId, alias, keys });
  } else owner = known.get(decision.entityId)!;
  const aliases = new Set([...(known.get(owner.entityId)?.aliases ?? []), alias]);
  for (const further of candidate.aliases.map(normalizeName)) {
    if (further === "" || aliases.has(further)) continue;
    await library.addAlias({ entityId: owner.entityId, alias: further, keys: matchingKeys(further) });
    aliases.add(further);
  }
  known.set(owner.entityId, { entityId: owner.entityId, name: owner.name, aliases: [...aliases] });
  return { entityId: owner.entityId, name: owner.name, mention: candidate.name, resolution };
}

/** 0–1: how sure two normalised names mean the same. */
function likeness(a: string, b: string): number {
  if (numbersOf(a) !== numbersOf(b)) return 0;
  const [short, long] = a.length <= b.length ? [a, b] : [b, a];
  if (isLongerForm(short, long)) return CONTAINMENT_CONFIDENCE;
  const left = significant(a);
  const right = significant(b);
  if (left.length !== right.length) return 0;
  // Word by word: one clearly different word makes another name, however long the rest is.
  const weakest = Math.min(...left.map((word, i) => (word === right[i] ? 1 : wordLikeness(word, right[i]!))));
  return weakest < 0.4 ? 0 : trigramSimilarity(a, b);
}

/** A letter's difference in a short word makes another name (Marie, Maria); in a long one, another spelling. */
function wordLikeness(a: string, b: string): number {
  return Math.min(a.length, b.length) < 6 ? 0 : trigramSimilarity(a, b);
}

/** "royal society of london" is "royal society" in full: the same name and the place where it sits. */
function isLongerForm(short: string, long: string): boolean {
  if (significant(short).length < 2) return false;
  if (!long.startsWith(`${short} `)) return false;
  const rest = /^(?:of|in) (.+)$/.exec(long.slice(short.length + 1));
  return rest !== null && isPlace(rest[1]!);
}

function placesDiffer(a: string, b: string): boolean {
  const left = placeOf(a);
  const right = placeOf(b);
  return left !== null && right !== null && left !== right;
}

function placeOf(name: string): string | null {
  const match = / (?:of|in) (?:the )?(.+)$/.exec(name);
  return match && isPlace(match[1]!) ? match[1]! : null;
}

function numbersOf(name: string): string {
  return (name.match(/\d+|\b[ivx]{1,4}$/g) ?? []).join(" ");
}

/** Owns the decision which known entity a name means, and its recording: alias, likeness, model, person. Finds no names, knows no SQL. */
import type { KnownEntity, Library, Lookalike } from "../library.ts";
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

/** What a topic's names came to. */
export interface Resolution {
  entities: ResolvedEntity[];
  /** Normalised names that a person has to decide about; the article is linked once that is done. */
  unresolved: string[];
}

/** What a name means, given the entities it might be. `confidence` is 0–1. */
export type Decision =
  | { kind: "same"; entityId: string; confidence: number }
  | { kind: "alias"; entityId: string; confidence: number }
  | { kind: "new"; confidence: number }
  /** Not to be decided by the name alone; the likeliest first. `why`: for the person who decides. */
  | { kind: "unsure"; lookalikes: Lookalike[]; why: string };

export type EntityJudge = (name: string, known: readonly KnownEntity[]) => Decision;

/** A name in doubt, as whoever decides is asked about it. */
export interface Doubt {
  name: string;
  lookalikes: (Lookalike & { aliases: string[] })[];
}

/** From this trigram similarity on two names of equal length are one entity. */
export const SIMILARITY_THRESHOLD = 0.75;
/** From here to the threshold nobody can tell by the letters. */
export const DOUBT_THRESHOLD = 0.6;
const CONTAINMENT_CONFIDENCE = 0.9;
const MAX_LOOKALIKES = 5;

/**
 * Decides by rule: the same normalised alias is the same entity; a longer form of the same name, or a
 * spelling that differs little, is an alias of it; one that differs more is in doubt; anything else is
 * new. Numbers that differ, and places that differ, always part two names.
 */
export function judgeByRule(name: string, known: readonly KnownEntity[]): Decision {
  const normalized = normalizeName(name);
  let best: Decision = { kind: "new", confidence: 1 };
  let bestScore = 0;
  const lookalikes: Lookalike[] = [];
  for (const entity of known) {
    if (entity.aliases.includes(normalized))
      return { kind: "same", entityId: entity.entityId, confidence: 1 };
    if (entity.aliases.some((alias) => placesDiffer(normalized, alias))) continue;
    let similarity = 0;
    for (const alias of entity.aliases) {
      const score = likeness(normalized, alias);
      if (couldBeSpellings(normalized, alias)) {
        similarity = Math.max(similarity, trigramSimilarity(normalized, alias));
      }
      if (score > bestScore) {
        bestScore = score;
        best = { kind: "alias", entityId: entity.entityId, confidence: score };
      }
    }
    if (similarity >= DOUBT_THRESHOLD) {
      lookalikes.push({
        entityId: entity.entityId,
        name: entity.name,
        similarity: Math.round(similarity * 1000) / 1000,
      });
    }
  }
  if (bestScore >= SIMILARITY_THRESHOLD) return best;
  if (lookalikes.length === 0) return { kind: "new", confidence: 1 - bestScore };
  lookalikes.sort((a, b) => b.similarity - a.similarity || (a.entityId < b.entityId ? -1 : 1));
  const [first] = lookalikes;
  const why = `"${name}" and "${first!.name}" are alike (${first!.similarity}), which decides nothing`;
  return { kind: "unsure", lookalikes: lookalikes.slice(0, MAX_LOOKALIKES), why };
}

/** The names that neither alias nor rule can decide, for a model to be asked about them all at once. */
export async function doubtsAbout(
  candidates: readonly Candidate[],
  library: Library,
  judge: EntityJudge = judgeByRule,
): Promise<Doubt[]> {
  const known = await knownLike(candidates, library);
  return candidates.flatMap(({ name }) => {
    const decision = judge(name, [...known.values()]);
    if (decision.kind !== "unsure") return [];
    return [
      {
        name,
        lookalikes: decision.lookalikes.map((each) => ({
          ...each,
          aliases: known.get(each.entityId)!.aliases,
        })),
      },
    ];
  });
}

export interface ResolveOptions {
  judge?: EntityJudge | undefined;
  /** What was decided about names in doubt, by name; one that is not here goes to a person. */
  decided?: Readonly<Record<string, Decision>>;
  taskId: string;
}

/** What the run knows by now; what it adds itself is added to it. */
interface Knowledge {
  known: Map<string, KnownEntity>;
  /** Ids of what this run has added. */
  added: Set<string>;
}

/**
 * Resolves every candidate against the library and records what is new. A name that another run adds
 * at the same moment resolves to that run's entity, and one that comes to resemble another run's is
 * judged again: the library lets nobody add an entity without having seen what it might be.
 */
export async function resolveEntities(
  candidates: readonly Candidate[],
  library: Library,
  options: ResolveOptions,
): Promise<Resolution> {
  const knowledge: Knowledge = { known: await knownLike(candidates, library), added: new Set() };
  await addWhatIsNew(candidates, knowledge, library, options);
  const resolved = new Map<string, ResolvedEntity>();
  const unresolved = new Set<string>();
  for (const candidate of candidates) {
    const entity = await resolveOne(candidate, knowledge, library, options);
    if (entity === null) unresolved.add(normalizeName(candidate.name));
    else if (!resolved.has(entity.entityId)) resolved.set(entity.entityId, entity);
  }
  return { entities: [...resolved.values()], unresolved: [...unresolved] };
}

/** Most names of a topic are like nobody's: those are added in one go, which their own turn then finds done. */
async function addWhatIsNew(
  candidates: readonly Candidate[],
  knowledge: Knowledge,
  library: Library,
  options: ResolveOptions,
): Promise<void> {
  for (let looks = 0; looks < MAX_LOOKS; looks++) {
    // Among themselves they may be alike as well: then only the first is obviously new.
    const seen = new Map(knowledge.known);
    const fresh = candidates.filter(({ name }) => {
      if (decide(name, seen, options).kind !== "new") return false;
      seen.set(`new: ${name}`, { entityId: `new: ${name}`, name, aliases: [normalizeName(name)] });
      return true;
    });
    if (fresh.length === 0 || (await add(fresh, knowledge, library))) return;
  }
}

/** False where others appeared that they might be: these are known now. */
async function add(
  candidates: readonly Candidate[],
  { known, added }: Knowledge,
  library: Library,
): Promise<boolean> {
  const entities = candidates.map(({ name }) => {
    const alias = normalizeName(name);
    return { name, alias, keys: matchingKeys(alias) };
  });
  const outcome = await library.addEntities(entities, [...known.keys()]);
  if ("appeared" in outcome) {
    for (const entity of outcome.appeared) known.set(entity.entityId, entity);
    return false;
  }
  for (const { entityId, name, alias } of outcome.added) {
    known.set(entityId, { entityId, name, aliases: [alias] });
    added.add(entityId);
  }
  return true;
}

function decide(name: string, known: ReadonlyMap<string, KnownEntity>, options: ResolveOptions): Decision {
  const byRule = (options.judge ?? judgeByRule)(name, [...known.values()]);
  return byRule.kind === "unsure" ? (options.decided?.[name] ?? byRule) : byRule;
}

async function knownLike(
  candidates: readonly Candidate[],
  library: Library,
): Promise<Map<string, KnownEntity>> {
  if (candidates.length === 0) return new Map();
  const names = candidates.map((each) => normalizeName(each.name));
  const found = await library.entitiesLike([...new Set(names.flatMap(matchingKeys))], names);
  return new Map(found.map((entity) => [entity.entityId, entity]));
}

/** Another run can add a lookalike once between two looks; that it happens this often is no race any more. */
const MAX_LOOKS = 10;

/** Null for a name that waits for a person. */
async function resolveOne(
  candidate: Candidate,
  knowledge: Knowledge,
  library: Library,
  options: ResolveOptions,
): Promise<ResolvedEntity | null> {
  const { name } = candidate;
  const alias = normalizeName(name);
  for (let looks = 0; looks < MAX_LOOKS; looks++) {
    const decision = decide(name, knowledge.known, options);
    if (decision.kind === "new") {
      const own = [...knowledge.known.values()].find((entity) => entity.aliases.includes(alias));
      if (own) {
        const same = { kind: "same", entityId: own.entityId, confidence: 1 } as const;
        return await record(candidate, same, knowledge, library, options);
      }
      // The next look finds it, or what appeared meanwhile.
      await add([candidate], knowledge, library);
      continue;
    }
    return await record(candidate, decision, knowledge, library, options);
  }
  throw new Error(`entities like ${JSON.stringify(name)} appear faster than they can be looked at`);
}

async function record(
  candidate: Candidate,
  decision: Exclude<Decision, { kind: "new" }>,
  { known, added }: Knowledge,
  library: Library,
  { taskId }: ResolveOptions,
): Promise<ResolvedEntity | null> {
  const { name } = candidate;
  const alias = normalizeName(name);
  const keys = matchingKeys(alias);
  let owner: { entityId: string; name: string };
  if (decision.kind === "unsure") {
    const { lookalikes, why } = decision;
    const settled = await library.askAboutName({ name, alias, keys, taskId, lookalikes, why });
    if (settled === null) return null;
    owner = settled;
  } else if (decision.kind === "alias") {
    owner = await library.addAlias({ entityId: decision.entityId, alias, keys });
  } else owner = known.get(decision.entityId)!;
  const resolution =
    added.has(owner.entityId) && owner.name === name ? "new" : decision.kind === "same" ? "same" : "alias";
  await addFurther(candidate, owner, known, library);
  return { entityId: owner.entityId, name: owner.name, mention: name, resolution };
}

/** The abbreviations that the text itself introduces. */
async function addFurther(
  candidate: Candidate,
  owner: { entityId: string; name: string },
  known: Map<string, KnownEntity>,
  library: Library,
): Promise<void> {
  const aliases = new Set([...(known.get(owner.entityId)?.aliases ?? []), normalizeName(candidate.name)]);
  for (const further of candidate.aliases.map(normalizeName)) {
    if (further === "" || aliases.has(further)) continue;
    await library.addAlias({ entityId: owner.entityId, alias: further, keys: matchingKeys(further) });
    aliases.add(further);
  }
  known.set(owner.entityId, { entityId: owner.entityId, name: owner.name, aliases: [...aliases] });
}

/** A surname is no spelling of a full name, and Apollo 11 none of Apollo 12. */
function couldBeSpellings(a: string, b: string): boolean {
  return numbersOf(a) === numbersOf(b) && significant(a).length === significant(b).length;
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

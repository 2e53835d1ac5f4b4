/** Rules about JSON-LD: that it is there, can be read, has what its type needs, and says what the page says. */
import { wordsOf } from "../language/words.ts";
import type { Json, JsonLdBlock } from "../page/facts.ts";
import { sameAddress } from "./indexing.ts";
import { type Finding, found, type Subject, some } from "./rule.ts";
import { ARTICLE_TYPES, DATE_PROPERTIES, TYPE_RULES } from "./schema-org.ts";

type Node = { [name: string]: Json };

const MAX_NODES = 100;

export function structuredData({ facts, fetched }: Subject): Finding[] {
  const unread = facts.jsonLd.filter(({ error }) => error !== null);
  const invalid = unread.map(({ error }) => error as string);
  const nodes = nodesOf(facts.jsonLd);
  if (nodes.length === 0) {
    if (invalid.length > 0) return [unreadable(invalid)];
    return [found("json_ld_missing", "it has no structured data")];
  }
  const complaints = nodes.map(complaintsOf);
  const missing = complaints.flatMap(({ required }) => required);
  const wrong = [...invalid, ...complaints.flatMap(({ wrong }) => wrong)];
  const wished = complaints.flatMap(({ recommended }) => recommended);
  const main = nodes.find((node) => typesOf(node).some((type) => ARTICLE_TYPES.includes(type)));
  return [
    ...(wrong.length > 0 ? [unreadable(wrong)] : []),
    ...(missing.length > 0
      ? [
          found(
            "json_ld_required",
            `${list(missing)} missing`,
            { missing: some(missing, 20) },
            Math.min(1, missing.length / 2),
          ),
        ]
      : []),
    ...(wished.length > 0
      ? [
          found(
            "json_ld_recommended",
            `${list(wished)} missing`,
            { missing: some(wished, 20) },
            Math.min(1, wished.length / 3),
          ),
        ]
      : []),
    ...(main ? differs(main, facts, fetched.url) : []),
  ];
}

function unreadable(reasons: string[]): Finding {
  return found("json_ld_invalid", `structured data is wrong: ${reasons[0]}`, { errors: some(reasons) });
}

/** Every node that states its type at the top of a block, or in its @graph. */
export function nodesOf(blocks: readonly JsonLdBlock[]): Node[] {
  const tops = blocks.flatMap(({ value }) => (Array.isArray(value) ? value : [value]));
  return tops
    .flatMap((top): Json[] => {
      if (!isNode(top)) return [];
      return Array.isArray(top["@graph"]) ? top["@graph"] : [top];
    })
    .filter((node): node is Node => isNode(node) && typesOf(node).length > 0)
    .slice(0, MAX_NODES);
}

export function typesOf(node: Node): string[] {
  const type = node["@type"];
  return (Array.isArray(type) ? type : [type]).flatMap((one) =>
    typeof one === "string" ? [one.replace(/^https?:\/\/schema\.org\//, "")] : [],
  );
}

function complaintsOf(node: Node): { required: string[]; recommended: string[]; wrong: string[] } {
  const types = typesOf(node);
  const rules = types.flatMap((type) =>
    Object.hasOwn(TYPE_RULES, type) ? [{ type, rule: TYPE_RULES[type]! }] : [],
  );
  const lacks = (properties: readonly string[], type: string) =>
    properties
      .filter((either) => !either.split("|").some((property) => isFilled(node[property])))
      .map((either) => `${type}.${either.replaceAll("|", " or ")}`);
  return {
    required: [...rules.flatMap(({ type, rule }) => lacks(rule.required, type)), ...namelessAuthors(node)],
    recommended: rules.flatMap(({ type, rule }) => lacks(rule.recommended, type)),
    wrong: DATE_PROPERTIES.flatMap((property) => {
      const value = node[property];
      if (value === undefined || isDate(value)) return [];
      return [`${types[0]}.${property} is no date: ${JSON.stringify(value).slice(0, 60)}`];
    }),
  };
}

function namelessAuthors(node: Node): string[] {
  const { author } = node;
  const nameless = (Array.isArray(author) ? author : [author]).some(
    (one) => isNode(one) && !isFilled(one.name) && !isFilled(one["@id"]),
  );
  return nameless ? [`${typesOf(node)[0]}.author.name`] : [];
}

function differs(node: Node, facts: Subject["facts"], url: string): Finding[] {
  const says: Record<string, Json> = {};
  const shown = [
    ...facts.titles,
    ...facts.headings.filter(({ level }) => level === 1).map(({ text }) => text),
  ];
  const plain = (text: string) => wordsOf(text).join(" ");
  const { headline } = node;
  // A headline may be cut; a site's name may follow the title.
  if (typeof headline === "string" && !shown.some((text) => plain(text).includes(plain(headline)))) {
    says.headline = headline.slice(0, 200);
  }
  const address = typeof node.url === "string" ? URL.parse(node.url, url)?.href : undefined;
  if (
    address &&
    ![url, ...facts.canonicals].some((one) => sameAddress(URL.parse(one, url)?.href ?? one, address))
  ) {
    says.url = address;
  }
  const [published, modified] = [node.datePublished, node.dateModified];
  if (
    typeof published === "string" &&
    typeof modified === "string" &&
    Date.parse(modified) < Date.parse(published)
  ) {
    says.dateModified = `${modified}, before datePublished`;
  }
  const names = Object.keys(says);
  return names.length === 0
    ? []
    : [
        found(
          "json_ld_differs",
          `${names.join(", ")} of the JSON-LD ${names.length > 1 ? "differ" : "differs"} from the page`,
          says,
        ),
      ];
}

function isNode(value: Json | undefined): value is Node {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isFilled(value: Json | undefined): boolean {
  if (value === undefined || value === null || value === "") return false;
  return Array.isArray(value) ? value.some(isFilled) : !isNode(value) || Object.keys(value).length > 0;
}

function isDate(value: Json): boolean {
  return (
    typeof value === "string" && /^\d{4}-\d\d-\d\d(?:$|[T ])/.test(value) && !Number.isNaN(Date.parse(value))
  );
}

function list(names: readonly string[]): string {
  const shown = names.slice(0, 4).join(", ");
  const more = names.length > 4 ? ` and ${names.length - 4} more` : "";
  return `${shown}${more} ${names.length > 1 ? "are" : "is"}`;
}

/** Rules about links: enough of them within the own site, none that lead nowhere. */
import { wordsOf } from "../language/words.ts";
import type { LinkCheck } from "../links/verdict.ts";
import { type Finding, found, type Subject, some } from "./rule.ts";

const WORDS_PER_LINK = 500;
const MAX_WANTED = 3;

export function links(subject: Subject): Finding[] {
  const { facts, checks, unchecked } = subject;
  return [
    ...internal(subject),
    ...broken(checks),
    ...redirected(checks),
    ...texts(subject),
    ...fragments(facts.deadFragments),
    ...unknown(checks, unchecked),
  ];
}

/** Links to other pages of the site within the text: one for each 500 words, 3 at the most. */
function internal({ facts, article, targets }: Subject): Finding[] {
  const words = wordsOf(facts.text).length;
  const has = new Set(facts.links.filter((link) => link.internal && link.inText).map(({ url }) => url)).size;
  const wanted = Math.min(MAX_WANTED, Math.ceil(words / WORDS_PER_LINK));
  // An own article without anything to link to is not to blame.
  if (has >= wanted || (article !== null && targets.length === 0)) return [];
  const message = `${has === 0 ? "no link" : has === 1 ? "one link" : `${has} links`} to other pages of the site in ${words} words`;
  return [found("internal_links", message, { links: has, wanted, words }, (wanted - has) / wanted)];
}

function broken(checks: readonly LinkCheck[]): Finding[] {
  const dead = checks.filter(({ outcome }) => outcome === "broken");
  if (dead.length === 0) return [];
  const message = dead.length === 1 ? "one link leads nowhere" : `${dead.length} links lead nowhere`;
  const evidence = { links: some(dead.map(({ url, status, detail }) => ({ url, status, detail }))) };
  return [found("link_broken", message, evidence, Math.min(1, 0.5 + dead.length / 10))];
}

function redirected(checks: readonly LinkCheck[]): Finding[] {
  const moved = checks.filter(({ outcome, redirects }) => outcome === "ok" && redirects > 0);
  if (moved.length === 0) return [];
  const message = moved.length === 1 ? "one link is redirected" : `${moved.length} links are redirected`;
  const evidence = {
    links: some(moved.map(({ url, redirects, finalUrl }) => ({ url, redirects, final_url: finalUrl }))),
  };
  return [found("link_redirected", message, evidence, Math.min(1, moved.length / 3))];
}

const SAYS_NOTHING =
  /^(?:click here|here|read more|more|learn more|this|this link|link|this page|mehr|hier|weiterlesen|cliquez ici|ici|en savoir plus|lire la suite|aquí|haga clic aquí|leer más|qui|clicca qui|leggi di più)$/i;

function texts({ facts }: Subject): Finding[] {
  const poor = facts.links.filter(
    ({ text, inText }) => inText && (text === "" || SAYS_NOTHING.test(text.replace(/[.…»→>]+$/, "").trim())),
  );
  if (poor.length === 0) return [];
  const evidence = { links: some(poor.map(({ url, text }) => ({ url, text }))) };
  return [
    found(
      "link_text",
      `${poor.length} link texts do not say where they lead`,
      evidence,
      Math.min(1, poor.length / 3),
    ),
  ];
}

function fragments(dead: readonly string[]): Finding[] {
  if (dead.length === 0) return [];
  const evidence = { fragments: some(dead) };
  return [
    found(
      "fragment_dead",
      `${dead.length} links lead to places that the page does not have`,
      evidence,
      Math.min(1, dead.length / 3),
    ),
  ];
}

function unknown(checks: readonly LinkCheck[], unchecked: number): Finding[] {
  const unsure = checks.filter(({ outcome }) => outcome === "unknown" || outcome === "skipped");
  const count = unsure.length + unchecked;
  if (count === 0) return [];
  const evidence = {
    left_out: unchecked,
    links: some(unsure.map(({ url, outcome, detail }) => ({ url, outcome, detail }))),
  };
  return [found("links_unchecked", `nothing is known of ${count} links`, evidence)];
}

/** Owns the list of rules: the part of the score that each belongs to, how bad a breach is, what it costs, what to do. Data only. */

/** Parts of the score and their weights; they sum to 100. docs/seo.md explains them. */
export const PART_WEIGHTS = {
  indexing: 20,
  metadata: 18,
  structure: 10,
  keywords: 12,
  links: 12,
  structured_data: 8,
  content: 10,
  uniqueness: 10,
} as const;
export type Part = keyof typeof PART_WEIGHTS;

/** `critical`: search engines do not show the page. `info`: costs nothing. */
export type Severity = "critical" | "major" | "minor" | "info";

export interface RuleEntry {
  part: Part;
  severity: Severity;
  /** Points of the part's 100 that a full breach costs. */
  penalty: number;
  advice: string;
}

const rule = (part: Part, severity: Severity, penalty: number, advice: string): RuleEntry => ({
  ...{ part, severity, penalty, advice },
});

export const RULES = {
  status: rule("indexing", "critical", 100, "Let the page answer with status 200"),
  robots_disallowed: rule("indexing", "critical", 100, "Let robots.txt allow the page"),
  redirect_loop: rule("indexing", "critical", 100, "End the chain of redirects at a page"),
  too_large: rule("indexing", "critical", 100, "Make the page smaller, so that it is read to its end"),
  noindex: rule("indexing", "critical", 100, "Take noindex away, if the page is to be found"),
  redirects: rule("indexing", "minor", 15, "Link to the final address instead of a redirect"),
  canonical_missing: rule("indexing", "major", 25, "Name the canonical address"),
  canonical_invalid: rule("indexing", "major", 30, "Name exactly one absolute canonical address"),
  canonical_elsewhere: rule(
    "indexing",
    "info",
    0,
    "Search engines are sent to another page, on purpose or not",
  ),
  not_https: rule("indexing", "major", 25, "Serve the page over https"),
  page_size: rule("indexing", "minor", 15, "Make the page's HTML smaller"),
  not_public: rule("indexing", "info", 0, "Set PUBLIC_URL to the address that readers know"),
  title_missing: rule("metadata", "major", 60, "Give the page a title"),
  title_multiple: rule("metadata", "minor", 15, "Keep one title"),
  title_length: rule("metadata", "minor", 20, "Write a title of 30 to 60 characters"),
  description_missing: rule("metadata", "major", 35, "Write a description"),
  description_length: rule("metadata", "minor", 20, "Write a description of 70 to 160 characters"),
  language_missing: rule("metadata", "minor", 15, "Name the page's language"),
  viewport_missing: rule("metadata", "minor", 15, "Name a viewport, for telephones"),
  open_graph: rule("metadata", "minor", 15, "Say how the page is shown when it is shared (Open Graph)"),
  h1_missing: rule("structure", "major", 40, "Give the page one main heading"),
  h1_multiple: rule("structure", "minor", 25, "Keep one main heading"),
  heading_order: rule("structure", "minor", 15, "Let headings go down one level at a time"),
  heading_empty: rule("structure", "minor", 10, "Fill or remove empty headings"),
  headings_few: rule("structure", "minor", 20, "Divide the text by headings"),
  image_alt: rule("structure", "major", 30, "Describe each image in its alt text"),
  keyword_title: rule("keywords", "major", 30, "Name the main keyword in the title"),
  keyword_h1: rule("keywords", "minor", 15, "Name the main keyword in the main heading"),
  keyword_intro: rule("keywords", "minor", 20, "Name the main keyword in the first paragraph"),
  keyword_description: rule("keywords", "minor", 10, "Name the main keyword in the description"),
  keyword_density: rule("keywords", "minor", 20, "Speak of the main keyword where it fits"),
  keyword_stuffing: rule("keywords", "major", 40, "Use the keyword less: it reads as stuffed"),
  keywords_none: rule("keywords", "info", 0, "Name the keywords that the page is to be found by"),
  internal_links: rule("links", "major", 30, "Link to related articles in the text"),
  link_broken: rule("links", "major", 50, "Mend or remove links that lead nowhere"),
  link_redirected: rule("links", "minor", 15, "Link to where the redirects lead"),
  link_text: rule("links", "minor", 15, "Let link texts say where they lead"),
  fragment_dead: rule("links", "minor", 15, "Mend links to places that the page does not have"),
  links_unchecked: rule("links", "info", 0, "Some links could not be checked"),
  json_ld_missing: rule("structured_data", "major", 80, "Describe the page in JSON-LD"),
  json_ld_invalid: rule("structured_data", "major", 60, "Mend JSON-LD that cannot be read"),
  json_ld_required: rule("structured_data", "major", 40, "Add what its type requires to the JSON-LD"),
  json_ld_recommended: rule(
    "structured_data",
    "minor",
    15,
    "Add what search engines recommend to the JSON-LD",
  ),
  json_ld_differs: rule("structured_data", "minor", 25, "Let the JSON-LD say what the page says"),
  thin_content: rule("content", "major", 50, "Write more: the page says little"),
  readability: rule("content", "minor", 25, "Write shorter sentences and plainer words"),
  long_paragraphs: rule("content", "minor", 15, "Break long paragraphs up"),
  stale: rule("content", "minor", 30, "Bring the page up to date"),
  date_missing: rule("content", "minor", 10, "Say when the page was published and changed"),
  title_duplicate: rule("uniqueness", "major", 40, "Give each article a title of its own"),
  description_duplicate: rule("uniqueness", "minor", 25, "Give each article a description of its own"),
  body_duplicate: rule(
    "uniqueness",
    "major",
    60,
    "Merge near-identical articles, or name one of them canonical",
  ),
  cannibalisation: rule(
    "uniqueness",
    "major",
    35,
    "Let one article have the keyword, and link to it from the others",
  ),
} as const satisfies Record<string, RuleEntry>;
export type RuleId = keyof typeof RULES;

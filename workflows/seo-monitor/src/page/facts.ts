/** Owns what is known of a page once it was read: plain values that a checkpoint can keep. Reads and judges nothing. */

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

export interface Heading {
  level: number;
  text: string;
}

export interface PageImage {
  src: string;
  /** Null: no alt attribute; empty: marked as decoration. */
  alt: string | null;
  /** Of the figure around it. */
  caption: string;
}

export interface PageLink {
  /** Absolute, without its fragment. */
  url: string;
  text: string;
  /** Within the text, not in navigation, asides or footers. */
  inText: boolean;
  internal: boolean;
}

/** One block of structured data: its value, or why there is none. */
export interface JsonLdBlock {
  value: Json;
  error: string | null;
}

/** What the page itself says. Texts are folded: no line breaks, single spaces. */
export interface PageFacts {
  titles: string[];
  descriptions: string[];
  language: string | null;
  viewport: boolean;
  /** As written. */
  canonicals: string[];
  /** Of `<meta name="robots">`, in lower case. */
  robotsMeta: string[];
  openGraph: Record<string, string>;
  /** Dates that metas state, RFC 3339 or as written. */
  published: string | null;
  modified: string | null;
  metaKeywords: string[];
  headings: Heading[];
  images: PageImage[];
  links: PageLink[];
  /** Fragments that links of the page point to and that nothing bears. */
  deadFragments: string[];
  jsonLd: JsonLdBlock[];
  /** The readable text, without navigation, headings, asides and footers. */
  text: string;
  paragraphs: string[];
}

/** How the page was got. */
export interface Fetched {
  /** As asked for. */
  requestedUrl: string;
  /** Where it was found in the end. */
  url: string;
  /** Null: there was no answer that could be read. */
  status: number | null;
  /** Addresses that were left by redirects, in order. */
  redirects: string[];
  bytes: number;
  /** Of the header X-Robots-Tag, in lower case. */
  robotsHeader: string;
  /** Why there are no facts; null where there are. */
  obstacle: "robots_disallowed" | "redirect_loop" | "too_large" | "status" | null;
  atMs: number;
  facts: PageFacts | null;
}

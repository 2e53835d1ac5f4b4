/** Owns what a publisher is: it brings one article to one place, again as often as it is asked, and never twice. Brings nothing itself. */
import type { NewArticle, Publication, PublisherRow } from "../library.ts";

/** The ways out that publishers use; the server's are guarded against private addresses and bounded. */
export interface Outgoing {
  get(url: string, request: OutgoingRequest): Promise<OutgoingAnswer>;
  post(url: string, request: OutgoingRequest & { body: string }): Promise<OutgoingAnswer>;
  /** The Standard Webhooks headers for a body, at this moment. */
  sign(secret: string, id: string, body: string): Record<string, string>;
}
export interface OutgoingRequest {
  headers: Record<string, string>;
  signal: AbortSignal;
}
export interface OutgoingAnswer {
  status: number;
  /** Names in lower case. */
  headers: Record<string, string>;
  body: Uint8Array;
}

/** An article on its way to a publisher. */
export interface Posting {
  article: NewArticle;
  /** Its own, which may differ from the one it asked for. */
  slug: string;
  /** Its page on our own site. */
  articleUrl: string;
  publishedAt: number;
  updatedAt: number;
  /** What an earlier posting left, if there was one. */
  known: Publication | null;
}

export interface PublisherParts {
  outgoing?: Outgoing | undefined;
  /** Below which Markdown files go; without it there are none. */
  folder?: string | undefined;
}

export type Placed = Omit<Publication, "publisher">;

/** Brings the posting there, or finds that it is there and brings it up to date. Throws what a person can act on; never a secret. */
export type Publish = (
  publisher: PublisherRow,
  posting: Posting,
  parts: PublisherParts,
  signal: AbortSignal,
) => Promise<Placed>;

/** The ways out, or an error for a pipeline that was given none. */
export function outgoingOf({ outgoing }: PublisherParts): Outgoing {
  if (outgoing) return outgoing;
  throw new Error("this pipeline has no way out: it can publish to its own site only");
}

/** A JSON body; null where it is none. */
export function jsonOf(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch {
    return null;
  }
}

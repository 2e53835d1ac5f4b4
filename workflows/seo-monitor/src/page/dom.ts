/** Owns how HTML becomes a tree, within limits: a page that is built to be slow is not read. Looks nothing up. */
import { type CheerioAPI, load } from "cheerio/slim";
import { DomHandler } from "domhandler";
import { Parser } from "htmlparser2";

/** Browsers nest no deeper than 512 either; looking things up costs by the square of the depth. */
const MAX_DEPTH = 512;
const MAX_ELEMENTS = 200_000;

/** The page is nested too deeply, or has too many elements. */
export class TooComplex extends Error {
  override readonly name = "TooComplex";
}

/**
 * `raw`: entities stay as they are written, and nodes know where they stand in `html`. Throws TooComplex, and nothing else:
 * whatever is no HTML is text.
 */
export function parseHtml(html: string, { raw = false } = {}): CheerioAPI {
  const handler = new DomHandler(undefined, { withStartIndices: raw, withEndIndices: raw });
  let depth = 0;
  let elements = 0;
  const parser = new Parser(
    {
      ...handlersOf(handler),
      onopentag(name, attribs) {
        depth++;
        elements++;
        if (depth > MAX_DEPTH) throw new TooComplex(`elements are nested more than ${MAX_DEPTH} deep`);
        if (elements > MAX_ELEMENTS) throw new TooComplex(`it has more than ${MAX_ELEMENTS} elements`);
        handler.onopentag(name, attribs);
      },
      onclosetag() {
        depth--;
        handler.onclosetag();
      },
    },
    { decodeEntities: !raw },
  );
  parser.end(html);
  return load(handler.root);
}

function handlersOf(handler: DomHandler) {
  return {
    onparserinit: (parser: Parser) => handler.onparserinit(parser),
    onreset: () => handler.onreset(),
    onend: () => handler.onend(),
    onerror: (error: Error) => handler.onerror(error),
    ontext: (data: string) => handler.ontext(data),
    oncomment: (data: string) => handler.oncomment(data),
    oncommentend: () => handler.oncommentend(),
    oncdatastart: () => handler.oncdatastart(),
    oncdataend: () => handler.oncdataend(),
    onprocessinginstruction: (name: string, data: string) => handler.onprocessinginstruction(name, data),
  };
}

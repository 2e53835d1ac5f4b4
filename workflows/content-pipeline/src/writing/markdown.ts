/** Owns plain text as Markdown: escaped, so that a source can only ever be read. Renders nothing. */

/** `text` as Markdown that renders to exactly that text: no markup of its own survives. */
export function escapeMarkdown(text: string): string {
  return text
    .replace(/[\\`*[\]<>~|]/g, "\\$&")
    .replace(/&(?=#?\w+;)/g, "&amp;")
    .replace(/(?<![\p{L}\p{N}])_|_(?![\p{L}\p{N}])/gu, "\\_")
    .replace(/^(\d+)([.)])(?=\s)/, "$1\\$2")
    .replace(/^[#+\-=]/, "\\$&");
}

/** A citation of source `index`, counted from 0: a link to its line in the list of sources. */
export function citationOf(index: number): string {
  return `[${index + 1}](#source-${index + 1})`;
}

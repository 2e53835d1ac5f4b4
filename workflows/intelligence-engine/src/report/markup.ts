/** Owns the one way to HTML: a template that escapes whatever is put into it. Knows no page. */

/** Markup that was made by `html`, and by nothing else. */
export interface Markup {
  readonly markup: string;
}

type Piece = Markup | string | number | null | false | readonly Piece[];

/** Texts and numbers are escaped; markup is taken as it is; null and false are nothing. */
export function html(strings: TemplateStringsArray, ...pieces: Piece[]): Markup {
  const markup = strings.reduce(
    (whole, text, i) => whole + (i === 0 ? "" : render(pieces[i - 1] ?? null)) + text,
    "",
  );
  return { markup };
}

function render(piece: Piece): string {
  if (piece === null || piece === false) return "";
  if (Array.isArray(piece)) return piece.map(render).join("");
  if (typeof piece === "object") return (piece as Markup).markup;
  return escapeHtml(String(piece));
}

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] as string);
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Owns the reading of source files for the law's own test: what is code, what is text, what is imported. Knows no law. */
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";

export interface Source {
  /** Relative to the repository, with `/`. */
  path: string;
  text: string;
  lines: number;
  /** As long as `text`, with comments and the insides of strings, templates and regular expressions blanked. */
  code: string;
  /** What stands in strings and templates; a template's expressions are replaced by a blank. */
  literals: readonly string[];
  imports: readonly string[];
}

const SKIPPED = new Set(["node_modules", "data", "dist", ".git"]);

/** All TypeScript files below `folder` of the repository at `root`. */
export function readSources(root: string, folder: string): Source[] {
  return filesBelow(join(root, folder))
    .filter((file) => /\.tsx?$/.test(file))
    .map((file) => parseSource(relative(root, file).replaceAll("\\", "/"), readFileSync(file, "utf8")));
}

/** All folders below `folder`, relative to the repository. */
export function foldersBelow(root: string, folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !SKIPPED.has(entry.name))
    .flatMap((entry) => [`${folder}/${entry.name}`, ...foldersBelow(root, `${folder}/${entry.name}`)]);
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => !SKIPPED.has(entry.name))
    .flatMap((entry) =>
      entry.isDirectory() ? filesBelow(join(folder, entry.name)) : [join(folder, entry.name)],
    )
    .sort();
}

export function parseSource(path: string, text: string): Source {
  const { code, literals } = separate(text);
  return {
    path,
    text,
    code,
    literals,
    imports: importsOf(text, code),
    lines: text.trimEnd().split("\n").length,
  };
}

/** The specifiers of static imports and exports, and of dynamic imports that name one. */
function importsOf(text: string, code: string): string[] {
  const specifiers: string[] = [];
  for (const match of code.matchAll(/(?:\bfrom\s*|\bimport\s*\(?\s*)(["'`])/g)) {
    const start = match.index + match[0].length;
    specifiers.push(text.slice(start, code.indexOf(match[1] as string, start)));
  }
  return specifiers;
}

/** What may stand before a regular expression; after anything else a slash divides. */
const BEFORE_REGEX =
  /(?:^|[=(,:;[!&|?{}+\-*%<>~^]|\b(?:return|typeof|case|in|of|do|else|void|delete|throw|new))\s*$/;

function separate(text: string): { code: string; literals: string[] } {
  const code = [...text].length === text.length ? [...text] : text.split("");
  const literals: string[] = [];
  /** For each open `${`, how many braces are open inside of it, and what its template said so far. */
  const templates: { braces: number; said: string }[] = [];
  let i = 0;
  const blank = (from: number, to: number) => {
    for (let at = from; at < to; at++) if (code[at] !== "\n") code[at] = " ";
  };
  /** From after an opening backtick or a closing brace, to the next `${` or the closing backtick. */
  const template = (said: string) => {
    const from = i;
    while (i < text.length && text[i] !== "`" && !text.startsWith("${", i)) i += text[i] === "\\" ? 2 : 1;
    blank(from, i);
    const more = said + text.slice(from, i);
    if (text[i] === "`") literals.push(more);
    else templates.push({ braces: 0, said: `${more} ` });
    i += text[i] === "`" ? 1 : 2;
  };
  while (i < text.length) {
    const char = text[i] as string;
    const inner = templates.at(-1);
    if (text.startsWith("//", i) || text.startsWith("/*", i)) {
      const end = text[i + 1] === "/" ? text.indexOf("\n", i) : text.indexOf("*/", i + 2) + 2;
      const to = end < 2 ? text.length : end;
      blank(i, to);
      i = to;
    } else if (char === '"' || char === "'") {
      const from = ++i;
      while (i < text.length && text[i] !== char && text[i] !== "\n") i += text[i] === "\\" ? 2 : 1;
      literals.push(text.slice(from, i));
      blank(from, i);
      i += 1;
    } else if (char === "`") {
      i += 1;
      template("");
    } else if (char === "/" && BEFORE_REGEX.test(code.slice(Math.max(0, i - 40), i).join(""))) {
      const from = ++i;
      let inClass = false;
      while (i < text.length && (inClass || text[i] !== "/") && text[i] !== "\n") {
        if (text[i] === "[") inClass = true;
        else if (text[i] === "]") inClass = false;
        i += text[i] === "\\" ? 2 : 1;
      }
      blank(from, i);
      i += 1;
    } else if (inner && char === "}" && inner.braces === 0) {
      templates.pop();
      i += 1;
      template(inner.said);
    } else {
      if (inner && char === "{") inner.braces += 1;
      if (inner && char === "}") inner.braces -= 1;
      i += 1;
    }
  }
  return { code: code.join(""), literals };
}

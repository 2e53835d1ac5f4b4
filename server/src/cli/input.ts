/** Owns reading a file or stdin as bytes and physical lines, and finding out its format. Never knows what a task is. */
import { createReadStream, statSync } from "node:fs";
import { resolve } from "node:path";
import { addAbortSignal } from "node:stream";
import { Failure, Interrupted, oneOf } from "./failure.ts";
import type { Terminal } from "./terminal.ts";

export const FORMATS = ["csv", "json", "ndjson"] as const;
export type Format = (typeof FORMATS)[number];

const HEAD_BYTES = 64 * 1024;
/** No line may be longer: one task has to fit into a request of 10 MB. */
const MAX_LINE_BYTES = 10 * 1024 * 1024;

/** A file or stdin, opened, with its first bytes already looked at. */
export interface Input {
  name: string;
  format: Format;
  /** Bytes in all; null where nobody knows before the end. */
  size: number | null;
  /** Bytes handed out so far. */
  read(): number;
  chunks(): AsyncIterable<Buffer>;
  /** The byte that ends a line: old spreadsheets on a Mac write a lone carriage return. */
  lineEnd: 0x0a | 0x0d;
}

/** A physical line. `problem` says why its text cannot be trusted. */
export interface Line {
  number: number;
  text: string;
  problem: string | null;
}

/** Opens `name` (`-` is stdin). Throws a Failure where it cannot be read or is not UTF-8. */
export async function openInput(
  name: string,
  formatOption: string | undefined,
  terminal: Terminal,
): Promise<Input> {
  const path = resolve(terminal.cwd, name);
  const stream = name === "-" ? terminal.stdin : createReadStream(path, { highWaterMark: 256 * 1024 });
  // Whoever waits for bytes that do not come has to be let go by Ctrl-C.
  addAbortSignal(terminal.interrupt, stream);
  const iterator = (stream as AsyncIterable<Buffer | string>)[Symbol.asyncIterator]();
  const head: Buffer[] = [];
  let headBytes = 0;
  let read = 0;
  const next = async (): Promise<Buffer | null> => {
    const { value, done } = await iterator.next().catch((error) => Promise.reject(unreadable(name, error)));
    if (done) return null;
    return Buffer.isBuffer(value) ? value : Buffer.from(value);
  };
  while (headBytes < HEAD_BYTES) {
    const chunk = await next();
    if (chunk === null) break;
    head.push(chunk);
    headBytes += chunk.length;
  }
  const sample = Buffer.concat(head);
  refuseForeignEncoding(sample, name);
  return {
    name,
    format: formatOption === undefined ? guessFormat(name, sample) : oneOf("format", FORMATS, formatOption),
    // A pipe has no size; zero would make every share of it infinite.
    size: name === "-" ? null : statSync(path, { throwIfNoEntry: false })?.size || null,
    read: () => read,
    async *chunks() {
      for (const chunk of head.splice(0)) {
        read += chunk.length;
        yield chunk;
      }
      for (let chunk = await next(); chunk !== null; chunk = await next()) {
        read += chunk.length;
        yield chunk;
      }
    },
    lineEnd: sample.includes(0x0d) && !sample.includes(0x0a) ? 0x0d : 0x0a,
  };
}

function unreadable(name: string, error: NodeJS.ErrnoException): Error {
  if (error.name === "AbortError") return new Interrupted("interrupted");
  const reasons: Record<string, string> = {
    ENOENT: "there is no such file",
    EISDIR: "it is a folder",
    EACCES: "you may not read it",
  };
  return new Failure(`cannot read ${name}: ${reasons[error.code ?? ""] ?? error.message}`);
}

function refuseForeignEncoding(sample: Buffer, name: string): void {
  const mark = sample.subarray(0, 2).toString("hex");
  if (mark === "fffe" || mark === "feff") {
    throw new Failure(`${name} is written in UTF-16`, 'save it as UTF-8 (in Excel: "CSV UTF-8")');
  }
}

/** By the file's ending; where that says nothing, by its first bytes. */
function guessFormat(name: string, sample: Buffer): Format {
  if (/\.(csv|tsv|tab)$/i.test(name)) return "csv";
  if (/\.(ndjson|jsonl)$/i.test(name)) return "ndjson";
  const guess = sniff(
    sample
      .toString("utf8")
      .replace(/^\ufeff/, "")
      .trimStart(),
  );
  return /\.json$/i.test(name) && guess === "csv" ? "json" : guess;
}

function sniff(text: string): Format {
  if (text.startsWith("[")) return "json";
  if (!text.startsWith("{")) return "csv";
  const firstLine = text.split(/\r?\n|\r/, 1)[0]!;
  // A first line that is a whole object is a line of NDJSON, unless it is the envelope of many tasks.
  try {
    const value = JSON.parse(firstLine) as object;
    return "tasks" in value ? "json" : "ndjson";
  } catch {
    return "json";
  }
}

/** Splits bytes into lines, in memory that does not grow with the input. Line ends are kept out of the text. */
export async function* readLines(input: Pick<Input, "chunks" | "lineEnd">): AsyncGenerator<Line> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let number = 0;
  let rest: Buffer[] = [];
  let restBytes = 0;
  const finish = (): Line => {
    number++;
    const line = decodeLine(decoder, rest, restBytes, number);
    rest = [];
    restBytes = 0;
    return line;
  };
  const keep = (piece: Buffer) => {
    restBytes += piece.length;
    // Beyond the limit only the count goes on: the line is named, and its text is dropped.
    if (restBytes <= MAX_LINE_BYTES) rest.push(piece);
  };
  for await (const chunk of input.chunks()) {
    let start = 0;
    for (let end = chunk.indexOf(input.lineEnd); end !== -1; end = chunk.indexOf(input.lineEnd, start)) {
      keep(chunk.subarray(start, end));
      yield finish();
      start = end + 1;
    }
    if (start < chunk.length) keep(chunk.subarray(start));
  }
  if (restBytes > 0) yield finish();
}

function decodeLine(
  decoder: InstanceType<typeof TextDecoder>,
  pieces: Buffer[],
  bytes: number,
  number: number,
): Line {
  if (bytes > MAX_LINE_BYTES) return { number, text: "", problem: "the line is longer than 10 MB" };
  let whole = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
  if (whole.at(-1) === 0x0d) whole = whole.subarray(0, -1);
  if (whole.includes(0))
    return { number, text: whole.toString("utf8"), problem: "the line holds a NUL character" };
  try {
    // The decoder drops a byte order mark at the start of what it is given: harmless in later lines.
    return { number, text: decoder.decode(whole), problem: null };
  } catch {
    return {
      number,
      text: whole.toString("utf8"),
      problem: 'the line is not UTF-8 (in Excel, save as "CSV UTF-8")',
    };
  }
}

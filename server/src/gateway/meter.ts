/** Reads what a call used from its answer while the bytes pass. Changes none of them, but for what it was told to take out. */
import { mergeReports, readGeminiUsage, readOpenAiUsage, type TokenUsage } from "#core/usage.ts";

export interface MeterOptions {
  /** Whose words the usage is in. */
  language: "openai" | "gemini";
  /** Server-sent events; else one JSON document. */
  events: boolean;
  /** The usage was asked for by us, not by the client: its event, and the empty fields that come with it, are taken out. */
  strip: boolean;
}

/** Larger documents, or single events, pass unread: then the usage is unknown. */
const MOST_READ_BYTES = 64 * 1024 * 1024;

const NEWLINE = 10;

/** Reads one answer. `push` returns the bytes to pass on. */
export class Meter {
  readonly #options: MeterOptions;
  #report: unknown = null;
  #complete = false;
  #over = false;
  /** The line that is not over yet, or the document so far. */
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #skipBlank = false;

  constructor(options: MeterOptions) {
    this.#options = options;
  }

  /** The stream's last event has passed: clients need not read on. */
  get over(): boolean {
    return this.#over;
  }

  /** What was reported is all, even if the rest is cut off. */
  get complete(): boolean {
    return this.#complete;
  }

  /** What the call used, as far as it was reported; null if nothing was, or nonsense. */
  usage(): TokenUsage | null {
    if (this.#report === null) return null;
    return this.#options.language === "gemini"
      ? readGeminiUsage(this.#report)
      : readOpenAiUsage(this.#report);
  }

  push(chunk: Uint8Array): Uint8Array {
    if (this.#options.events) return this.#pushEvents(chunk);
    this.#keep(chunk);
    return chunk;
  }

  /** The rest, when the answer has ended. */
  end(): Uint8Array {
    const rest = Buffer.concat(this.#pending);
    this.#pending = [];
    if (!this.#options.events) {
      this.read(parse(rest));
      return EMPTY;
    }
    const kept = this.#readLine(rest);
    return this.#options.strip ? kept : EMPTY;
  }

  #keep(bytes: Uint8Array): void {
    this.#pendingBytes += bytes.length;
    // What was not passed on yet must not be lost.
    const passedOn = !(this.#options.events && this.#options.strip);
    if (this.#pendingBytes > MOST_READ_BYTES && passedOn) this.#pending = [];
    else this.#pending.push(bytes);
  }

  /** Whole lines are read as they are completed; with `strip` they are also what is passed on. */
  #pushEvents(chunk: Uint8Array): Uint8Array {
    const passed: Uint8Array[] = [];
    let from = 0;
    for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, from)) {
      const end = chunk.subarray(from, at + 1);
      const line = this.#pending.length > 0 ? Buffer.concat([...this.#pending, end]) : end;
      this.#pending = [];
      this.#pendingBytes = 0;
      passed.push(this.#readLine(line));
      from = at + 1;
    }
    if (from < chunk.length) this.#keep(chunk.subarray(from));
    return this.#options.strip ? Buffer.concat(passed) : chunk;
  }

  /** The line as it is to be passed on: it, less of it, or nothing. */
  #readLine(line: Uint8Array): Uint8Array {
    const text = Buffer.from(line.buffer, line.byteOffset, line.length);
    if (this.#skipBlank) {
      this.#skipBlank = false;
      if (text.toString("latin1").trim() === "") return EMPTY;
    }
    if (!text.subarray(0, 5).equals(DATA)) return line;
    if (text.includes("[DONE]") && text.length < 32) {
      this.#complete = true;
      this.#over = true;
      return line;
    }
    if (!MARKS.some((mark) => text.includes(mark))) return line;
    const event = parse(text.subarray(5));
    if (event === null) return line;
    this.#readEvent(event);
    return this.#options.strip ? this.#stripped(text, event) : line;
  }

  #stripped(text: Buffer, event: Fields): Uint8Array {
    const { usage, choices } = event;
    if (usage && Array.isArray(choices) && choices.length === 0) {
      this.#skipBlank = true;
      return EMPTY;
    }
    // Inside of a JSON string its quotes would be escaped: this is the member itself.
    return usage === null
      ? Buffer.from(text.toString("utf8").replace(/,"usage":\s*null|"usage":\s*null,/, ""))
      : text;
  }

  #readEvent(event: Fields): void {
    if (this.#options.language === "gemini") {
      this.#take(event.usageMetadata);
      const candidates = Array.isArray(event.candidates) ? event.candidates : [];
      if (candidates.some((one) => (one as Fields | null)?.finishReason)) this.#complete = true;
      return;
    }
    const response = event.response as Fields | undefined;
    this.#take(event.usage ?? response?.usage);
    const { usage, choices, type } = event;
    if (usage && Array.isArray(choices) && choices.length === 0) this.#complete = true;
    if (typeof type !== "string" || !ENDS.has(type)) return;
    this.#complete = true;
    this.#over = true;
  }

  /** A whole document, in place of its bytes; null for what is no JSON. */
  read(value: object | null): void {
    // Gemini streams, where no events were asked for, an array of what would be events.
    for (const one of Array.isArray(value) ? value : [value]) {
      if (typeof one === "object" && one !== null) this.#readEvent(one as Fields);
    }
    if (value !== null) this.#complete = true;
  }

  #take(report: unknown): void {
    if (typeof report === "object" && report !== null) this.#report = mergeReports(this.#report, report);
  }
}

type Fields = Record<string, unknown>;

const EMPTY = new Uint8Array(0);
const DATA = Buffer.from("data:");
const MARKS = ['"usage', '"finishReason"', '"response.'].map((mark) => Buffer.from(mark));
const ENDS = new Set(["response.completed", "response.incomplete", "response.failed"]);

function parse(bytes: Uint8Array): Fields | null {
  try {
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf8");
    const value = JSON.parse(text);
    return typeof value === "object" ? value : null;
  } catch {
    return null;
  }
}

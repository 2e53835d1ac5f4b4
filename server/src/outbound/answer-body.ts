/** An answer's bytes, handed on as they come: one reader, bounded, without the machinery of a stream. Knows no HTTP. */

/** So much may lie here unread before the sender is asked to pause. */
const MOST_UNREAD_BYTES = 64 * 1024;

/** What the bytes come from. */
export interface Source {
  pause(): void;
  resume(): void;
  /** Nobody wants the rest. */
  cut(): void;
}

type Next = IteratorResult<Uint8Array, undefined>;

export class AnswerBody implements AsyncIterableIterator<Uint8Array, undefined> {
  readonly #source: Source;
  #unread: Uint8Array[] = [];
  #unreadBytes = 0;
  #paused = false;
  #ended = false;
  #error: Error | null = null;
  #reader: { resolve(next: Next): void; reject(error: Error): void } | null = null;

  constructor(source: Source) {
    this.#source = source;
  }

  push(chunk: Uint8Array): void {
    if (this.#ended) return;
    if (this.#reader) {
      const { resolve } = this.#reader;
      this.#reader = null;
      resolve({ value: chunk, done: false });
      return;
    }
    this.#unread.push(chunk);
    this.#unreadBytes += chunk.length;
    if (this.#unreadBytes < MOST_UNREAD_BYTES || this.#paused) return;
    this.#paused = true;
    this.#source.pause();
  }

  /** After what was pushed nothing comes any more; with an error, since it broke off. */
  end(error: Error | null = null): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    const reader = this.#reader;
    this.#reader = null;
    if (error) reader?.reject(error);
    else reader?.resolve({ value: undefined, done: true });
    if (reader) this.#error = null;
  }

  /** The next bytes, in the order in which they came. One call at a time. */
  next(): Promise<Next> {
    const value = this.#unread.shift();
    if (value !== undefined) {
      this.#unreadBytes -= value.length;
      if (this.#paused && this.#unreadBytes < MOST_UNREAD_BYTES) {
        this.#paused = false;
        this.#source.resume();
      }
      return Promise.resolve({ value, done: false });
    }
    if (this.#error) {
      const error = this.#error;
      this.#error = null;
      return Promise.reject(error);
    }
    if (this.#ended) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject };
    });
  }

  /** The reader has left: the rest is not read. */
  return(): Promise<Next> {
    if (!this.#ended) {
      this.end();
      this.#source.cut();
    }
    this.#unread = [];
    return Promise.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

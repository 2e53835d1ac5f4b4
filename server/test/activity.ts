/** Owns the knowledge whether anything is going on in this process: database work, HTTP. Waits for silence; never sleeps. */
import { subscribe } from "node:diagnostics_channel";
import pg from "pg";

/** Real time that silence, or an event, is awaited before a test is told that it will not come. */
const PATIENCE_MS = 30_000;
/** Turns of the event loop without anything in flight, so that what one end sets off has begun. */
const QUIET_TURNS = 4;

/** What is in flight, by a label for people. */
const flights = new Map<object, string>();
/** Labels of requests that a test lets hang on purpose, once for each: nobody waits for them. */
const hanging: string[] = [];
let listeners: (() => void)[] = [];

function begin(flight: object, label: string): void {
  flights.set(flight, label);
  notify();
}

function end(flight: object): void {
  if (flights.delete(flight)) notify();
}

function notify(): void {
  const told = listeners;
  listeners = [];
  for (const listener of told) listener();
}

/** Counts something of the test's own as going on until the returned function is called. */
export function busy(label: string): () => void {
  const flight = {};
  begin(flight, label);
  return () => end(flight);
}

/** Says that one request of this label will not be answered soon; the returned function takes that back. */
export function hang(label: string): () => void {
  hanging.push(label);
  notify();
  let over = false;
  return () => {
    if (over) return;
    over = true;
    hanging.splice(hanging.indexOf(label), 1);
    notify();
  };
}

/** What is in flight and will end by itself. */
function awaited(): string[] {
  const left = [...hanging];
  return [...flights.values()].filter((label) => {
    const hung = left.indexOf(label);
    if (hung >= 0) left.splice(hung, 1);
    return hung < 0;
  });
}

/** Resolves at the next beginning or end of anything; false after `ms` of real time without. */
export function nextActivity(ms: number): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      listeners = listeners.filter((one) => one !== listener);
      resolve(false);
    }, ms);
    const listener = () => {
      clearTimeout(timer);
      resolve(true);
    };
    listeners.push(listener);
  });
}

/** Resolves when nothing is in flight and nothing more was set off by what ended. Rejects if that takes too long. */
export async function quiet(): Promise<void> {
  const giveUpAt = performance.now() + PATIENCE_MS;
  for (let turns = 0; turns < QUIET_TURNS; ) {
    if (awaited().length === 0) {
      turns++;
      await new Promise((resolve) => setImmediate(resolve));
      continue;
    }
    turns = 0;
    const restMs = giveUpAt - performance.now();
    if (restMs > 0) await nextActivity(restMs);
    else throw new Error(`still going on after ${PATIENCE_MS} ms: ${awaited().join("; ")}`);
  }
}

/** Every request of undici, ours and that of the global `fetch`. */
function watchHttp(): void {
  const label = (message: unknown) => {
    const { request } = message as { request: { method: string; origin: string; path: string } };
    return { request, label: `${request.method} ${request.origin}${request.path}` };
  };
  subscribe("undici:request:create", (message) => {
    const { request, label: words } = label(message);
    begin(request, words);
  });
  for (const over of ["undici:request:trailers", "undici:request:error"]) {
    subscribe(over, (message) => end(label(message).request));
  }
}

/** Every connection that is taken from a pool, from the wish for it to its return. */
function watchDatabase(): void {
  // biome-ignore lint/suspicious/noExplicitAny: the pool's method is overloaded
  const prototype = pg.Pool.prototype as any;
  const connect = prototype.connect;
  const watched = new WeakSet<object>();
  prototype.connect = function watchedConnect(this: pg.Pool, callback?: (...given: unknown[]) => void) {
    if (!watched.has(this)) {
      watched.add(this);
      this.on("release", (_error, client) => end(client));
    }
    const wish = {};
    begin(wish, "a connection to the database");
    const given = (client: object | undefined) => {
      if (client) begin(client, "a statement or transaction");
      end(wish);
    };
    if (callback) {
      return connect.call(this, (error: unknown, client: object | undefined, release: unknown) => {
        given(client);
        callback(error, client, release);
      });
    }
    return connect.call(this).then(
      (client: object) => {
        given(client);
        return client;
      },
      (error: unknown) => {
        end(wish);
        throw error;
      },
    );
  };
}

watchHttp();
watchDatabase();

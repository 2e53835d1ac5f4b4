/** Owns the way in which tests speak HTTP: one call, its whole answer. Judges nothing. */

export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers as they please
  body: any;
}

export interface Sent {
  method?: string;
  /** Sent as JSON; bytes and texts as they are. */
  body?: unknown;
  /** A bearer credential. */
  key?: string | null;
  headers?: Record<string, string>;
  /** Gives up then; by default never. */
  withinMs?: number;
}

/** Sends once and reads the whole answer; JSON is parsed, whatever the status. Follows no redirect. */
export async function send(url: string, sent: Sent): Promise<Answer> {
  const { method = "GET", body, key, headers = {}, withinMs } = sent;
  const asItIs = typeof body === "string" || body instanceof Uint8Array;
  const response = await fetch(url, {
    method,
    redirect: "manual",
    signal: withinMs === undefined ? null : AbortSignal.timeout(withinMs),
    headers: {
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...(key ? { authorization: `Bearer ${key}` } : {}),
      ...headers,
    },
    body: body === undefined ? null : asItIs ? (body as RequestInit["body"] & {}) : JSON.stringify(body),
  });
  const text = await response.text();
  const isJson = response.headers.get("content-type")?.includes("json") && text !== "";
  return { status: response.status, headers: response.headers, text, body: isJson ? JSON.parse(text) : text };
}

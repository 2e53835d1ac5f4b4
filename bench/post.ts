/**
 * Posts JSON with as little work as a client can do, since whoever makes the load shares the processors with what is
 * measured: no streams, no address parsed twice. Follows nothing, retries nothing.
 */
import type { Agent, Dispatcher } from "undici";

export interface Posted {
  status: number;
  /** Kept only of an answer that is no success. */
  text: string;
}

/** Rejects when there was no answer. */
export function postJson(
  agent: Agent,
  url: string,
  { method = "POST", token, body }: { method?: "POST" | "PUT"; token: string; body: unknown },
): Promise<Posted> {
  const slash = url.indexOf("/", "https://".length);
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const options = { origin: url.slice(0, slash), path: url.slice(slash), method, headers };
  return new Promise((resolve, reject) => {
    agent.dispatch({ ...options, body: JSON.stringify(body) }, collect(resolve, reject));
  });
}

function collect(
  resolve: (posted: Posted) => void,
  reject: (error: Error) => void,
): Dispatcher.DispatchHandler {
  let status = 0;
  let text = "";
  return {
    onRequestStart() {},
    onResponseStart(_controller, statusCode) {
      status = statusCode;
    },
    onResponseData(_controller, chunk) {
      if (status >= 300) text += chunk.toString();
    },
    onResponseEnd() {
      resolve({ status, text });
    },
    onResponseError(_controller, error) {
      reject(error);
    },
  };
}

/** Owns pages of the web as texts: one guarded request, its body decompressed and decoded. Follows no redirect. */
import { promisify } from "node:util";
import { brotliDecompress, gunzip, inflate } from "node:zlib";
import type { Outbound } from "./client.ts";
import { OutboundFailure } from "./failure.ts";

export interface WebPage {
  status: number;
  /** Names in lower case. */
  headers: Record<string, string>;
  /** Empty when it was not asked for. */
  text: string;
  /** As they came over the wire. */
  bytes: number;
}

export interface WebPageRequest {
  method: "GET" | "HEAD";
  timeoutMs: number;
  /** Compressed and decompressed; without it the body is not read at all. */
  maxBytes?: number;
  signal: AbortSignal;
}

const ACCEPT = "text/html,application/xhtml+xml;q=0.9,*/*;q=0.5";
/** Who asks, and where that is explained. */
const USER_AGENT = "master-orchestrator/1.0 (seo monitor; obeys robots.txt)";

/** Throws OutboundFailure, `too_large` also for what is too large once it is decompressed. Any status is an answer. */
export async function fetchWebPage(
  outbound: Pick<Outbound, "get" | "head">,
  url: string,
  { method, timeoutMs, maxBytes, signal }: WebPageRequest,
): Promise<WebPage> {
  const answer = await (method === "HEAD" ? outbound.head : outbound.get)(url, {
    headers: { accept: ACCEPT, "user-agent": USER_AGENT },
    ...(maxBytes === undefined ? { bodyless: true } : { maxResponseBytes: maxBytes }),
    timeoutMs,
    signal,
  });
  const { status, headers, body } = answer;
  if (method === "HEAD" || maxBytes === undefined) return { status, headers, text: "", bytes: 0 };
  const plain = await decompressed(body, headers["content-encoding"], maxBytes, url);
  return { status, headers, text: decoded(plain, headers["content-type"]), bytes: body.length };
}

const DECOMPRESS = {
  gzip: promisify(gunzip),
  "x-gzip": promisify(gunzip),
  deflate: promisify(inflate),
  br: promisify(brotliDecompress),
};

/** We ask for none, and some servers compress all the same. A small body may hide a huge text: that is a failure. */
async function decompressed(
  body: Uint8Array,
  encoding: string | undefined,
  maxBytes: number,
  url: string,
): Promise<Uint8Array> {
  const name = encoding?.trim().toLowerCase() ?? "";
  if (name === "" || name === "identity" || body.length === 0) return body;
  const decompress = Object.hasOwn(DECOMPRESS, name) ? DECOMPRESS[name as keyof typeof DECOMPRESS] : null;
  if (!decompress) throw new OutboundFailure("reset", `${url} is encoded as "${name.slice(0, 40)}"`);
  try {
    return await decompress(body, { maxOutputLength: maxBytes });
  } catch (error) {
    if ((error as { code?: string }).code === "ERR_BUFFER_TOO_LARGE") {
      throw new OutboundFailure("too_large", `the answer of ${url} is larger than ${maxBytes} bytes`, error);
    }
    throw new OutboundFailure("reset", `the answer of ${url} cannot be decompressed`, error);
  }
}

/** By the header, else by what the page says of itself in its first kilobyte, else as UTF-8. */
function decoded(body: Uint8Array, contentType = ""): string {
  const stated = /charset\s*=\s*"?([\w.:-]+)/i.exec(contentType)?.[1];
  const head = stated === undefined ? Buffer.from(body.subarray(0, 1_024)).toString("latin1") : "";
  const own = stated ?? /<meta[^>]+charset\s*=\s*["']?([\w.:-]+)/i.exec(head)?.[1] ?? "utf-8";
  try {
    return new TextDecoder(own).decode(body);
  } catch {
    return new TextDecoder().decode(body);
  }
}

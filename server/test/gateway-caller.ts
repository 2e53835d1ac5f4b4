/** Owns the way in which tests call the gateway: over plain HTTP, so that a call that is held open keeps no clock from moving. */
import { Agent, type ClientRequest, type IncomingHttpHeaders, request } from "node:http";
import type { TestContext } from "node:test";
import { ADMIN_KEY, openTestHouse, type TestHouse, type TestHouseOptions } from "./house.ts";
import { type StubProvider, stubProvider } from "./stub-provider.ts";

export interface GatewayReply {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers as they please
  body: any;
}

export interface OpenCall {
  reply: Promise<GatewayReply>;
  /** Resolves with the first piece of the answer. */
  begun: Promise<void>;
  leave(): void;
}

export const MODEL = "gpt-4o-mini";
const OPENAI_CHAT = "/ai/openai/v1/chat/completions";

export interface CallOptions {
  path?: string;
  method?: string;
  key?: string;
  body?: unknown;
}

/** Begins a call; a chat of OpenAI's unless told. */
export function begin(house: TestHouse, options: CallOptions = {}): OpenCall {
  const { path = OPENAI_CHAT, method = "POST", key = ADMIN_KEY } = options;
  const body = options.body ?? { model: MODEL, max_tokens: 20, messages: [{ role: "user", content: "hi" }] };
  const { hostname, port } = new URL(house.url);
  const headers = {
    "content-type": "application/json",
    authorization: `Bearer ${key}`,
    "x-goog-api-key": key,
  };
  const begun = Promise.withResolvers<void>();
  let call: ClientRequest | undefined;
  const reply = new Promise<GatewayReply>((resolve, reject) => {
    const agent = new Agent();
    call = request({ hostname, port, path, method, headers, agent }, async (answer) => {
      try {
        const chunks: Buffer[] = [];
        for await (const chunk of answer) {
          chunks.push(chunk as Buffer);
          begun.resolve();
        }
        const text = Buffer.concat(chunks).toString();
        const json = answer.headers["content-type"]?.includes("json") && text !== "";
        resolve({
          status: answer.statusCode ?? 0,
          headers: answer.headers,
          text,
          body: json ? JSON.parse(text) : text,
        });
      } catch (error) {
        reject(error);
      } finally {
        agent.destroy();
      }
    });
    call.on("error", reject);
    call.end(method === "GET" ? undefined : typeof body === "string" ? body : JSON.stringify(body));
  });
  // Who leaves does not look at the reply any more.
  reply.catch(() => {});
  begun.promise.catch(() => {});
  return { reply, begun: begun.promise, leave: () => void call?.destroy() };
}

/** Calls and waits for the whole answer. */
export function call(house: TestHouse, options: CallOptions = {}): Promise<GatewayReply> {
  return begin(house, options).reply;
}

/** A house with a stub provider behind its gateway; the stub's log is in the test's time. */
export async function openGateway(
  t: TestContext,
  options: TestHouseOptions = {},
): Promise<{ house: TestHouse; provider: StubProvider }> {
  let nowMs = () => 0;
  const provider = await stubProvider(t, () => nowMs());
  const house = await openTestHouse(t, { workflows: { writer: {} }, ...options, env: provider.env });
  nowMs = house.clock.nowMs;
  return { house, provider };
}

export interface Money {
  settled: number;
  held: number;
  left: number;
}

/** Today's money in micro-dollars; the sums have been compared with the entries. */
export async function money(house: TestHouse): Promise<Money> {
  const { budget } = (await house.api("GET", "/resources")).body;
  const summary = (await house.api("GET", "/budget/summary?by=source")).body;
  if (!summary.agrees) throw new Error("the ledger's sums are not those of its entries");
  const micros = (usd: number) => Math.round(usd * 1e6);
  return {
    settled: micros(budget.settled_usd),
    held: micros(budget.held_usd),
    left: micros(budget.left_usd),
  };
}

/** The newest entries of the ledger. */
// biome-ignore lint/suspicious/noExplicitAny: tests look into answers as they please
export async function entries(house: TestHouse, query = ""): Promise<any[]> {
  return (await house.api("GET", `/budget/ledger${query}`)).body.entries;
}

/** Decides whether an address may be called: literals before, names once they are resolved. Sends nothing. */
import { lookup as systemLookup } from "node:dns";
import { Problem } from "@master-orchestrator/contract";
import { parseAddress, privateKind } from "./address.ts";
import { type AllowRule, allowsAddress, allowsHost } from "./allow.ts";
import { OutboundFailure } from "./failure.ts";

export interface ResolvedAddress {
  address: string;
  family: number;
}

/** Resolves a name to all of its addresses; `node:dns` unless a test brings its own. */
export type Resolve = (
  host: string,
  done: (error: NodeJS.ErrnoException | null, addresses: ResolvedAddress[]) => void,
) => void;

export const systemResolve: Resolve = (host, done) =>
  systemLookup(host, { all: true, order: "verbatim" }, done);

export interface Target {
  url: URL;
  /** Lower case, without brackets or trailing dot. */
  host: string;
  port: number;
}

const HINT = "If this is meant, add the host or its network to OUTBOUND_ALLOW.";

/** Reads an address to call. Throws Problem `outbound_refused` for what no rule could ever allow. */
export function readTarget(text: string): Target {
  const url = URL.parse(text);
  const shown = text.slice(0, 200);
  if (!url)
    throw refusal(`"${shown}" is not a URL`, "Write it whole, as in https://n8n.example.org/webhook/x.");
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw refusal(`"${url.protocol}" addresses are not called`, "Use http or https.");
  }
  if (url.username || url.password) {
    throw refusal(`the URL of ${url.host} holds credentials`, "Register them as `auth` instead.");
  }
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1").replace(/\.$/, "");
  if (host === "") throw refusal(`"${shown}" names no host`, "Write a host after the //.");
  return { url, host, port: Number(url.port || (url.protocol === "https:" ? 443 : 80)) };
}

/**
 * The check that needs no DNS, at registration and before each request: a literal address, or a name of this
 * very machine. Throws Problem `outbound_refused`; other names pass, and are checked when they are resolved.
 */
export function refuseLiteral(target: Target, rules: readonly AllowRule[]): void {
  if (allowsHost(rules, target.host, target.port)) return;
  const loopback = isLoopbackName(target.host);
  const literals = (loopback ? ["127.0.0.1", "::1"] : [target.host])
    .map(parseAddress)
    .filter((a) => a !== null);
  if (literals.length === 0 || literals.some((literal) => allowsAddress(rules, literal, target.port))) return;
  const kind = loopback ? "this very machine" : privateKind(literals[0]!);
  if (kind === null) return;
  throw refusal(`${target.url.host} is ${kind}, which is not allowed`, HINT);
}

/**
 * The addresses among `resolved` that may be connected to. One that may not refuses the whole name: a name that
 * answers now public, now private is how a guard is led around. Only of the machine's own names the allowed ones
 * are kept, since `localhost` is commonly both 127.0.0.1 and ::1.
 */
export function permitResolved(
  host: string,
  port: number,
  resolved: readonly ResolvedAddress[],
  rules: readonly AllowRule[],
): ResolvedAddress[] {
  if (resolved.length === 0) throw new OutboundFailure("dns", `${host} has no address`);
  if (allowsHost(rules, host, port)) return [...resolved];
  const refused = new Map<ResolvedAddress, string>();
  for (const candidate of resolved) {
    const address = parseAddress(candidate.address);
    const kind = address === null ? "not an address" : privateKind(address);
    if (kind !== null && !(address && allowsAddress(rules, address, port))) refused.set(candidate, kind);
  }
  const [first] = refused;
  if (!first) return [...resolved];
  if (isLoopbackName(host) && refused.size < resolved.length)
    return resolved.filter((one) => !refused.has(one));
  const [{ address }, kind] = first;
  throw new OutboundFailure(
    "refused_by_guard",
    `${host} resolves to ${address}, ${kind}, which is not allowed. ${HINT}`,
  );
}

function isLoopbackName(host: string): boolean {
  return host === "localhost" || host.endsWith(".localhost");
}

function refusal(message: string, hint: string): Problem {
  return new Problem("outbound_refused", message, hint);
}

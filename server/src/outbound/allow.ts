/** Owns OUTBOUND_ALLOW: reading its entries and matching them. Opens nothing. */
import { Problem } from "@master-orchestrator/contract";
import ipaddr from "ipaddr.js";
import { type Address, parseAddress } from "./address.ts";

/** One entry: a host by its exact name, or a range of addresses; `port` null means any. */
export type AllowRule =
  | { kind: "host"; host: string; port: number | null }
  | { kind: "range"; network: string; bits: number; port: number | null };

const HOST_NAME =
  /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$/;
const HOW =
  "Write host names, host:port, IP addresses or CIDRs, separated by commas: 127.0.0.1,n8n.internal:5678,10.1.0.0/16.";

/** Reads a list separated by commas or white space. Throws Problem `invalid_setting` that names the wrong entry. */
export function parseAllow(text: string): AllowRule[] {
  return text
    .split(/[\s,]+/)
    .filter((entry) => entry !== "")
    .flatMap(parseEntry);
}

function parseEntry(entry: string): AllowRule[] {
  if (entry.includes("://")) throw wrong(entry, "is a URL; only its host (and port) belongs here");
  if (entry.includes("*")) throw wrong(entry, "holds a wildcard, which is not supported");
  if (entry.includes("/")) return [parseRange(entry)];
  const address = literal(entry);
  if (address) return [single(address, null)];
  const [, host, digits] = /^(\[[^\]]+\]|[^:]*)(?::(\d{1,5}))?$/.exec(entry) ?? [];
  const port = digits === undefined ? null : Number(digits);
  if (!host || (port !== null && (port < 1 || port > 65_535))) {
    throw wrong(entry, "is neither a host, an address nor a CIDR");
  }
  const inner = literal(host);
  if (inner) return [single(inner, port)];
  const name = host.toLowerCase().replace(/\.$/, "");
  if (!HOST_NAME.test(name) || /(^|\.)\d+$/.test(name)) throw wrong(entry, "is not a host name");
  const rule: AllowRule = { kind: "host", host: name, port };
  // Who allows the name means the addresses too, however a webhook is written.
  if (name !== "localhost") return [rule];
  return [rule, ...["127.0.0.1", "::1"].map((loopback) => single(parseAddress(loopback)!, port))];
}

function parseRange(entry: string): AllowRule {
  const [, text = "", digits = ""] = /^\[?([0-9a-fA-F.:]+)\]?\/(\d{1,3})$/.exec(entry) ?? [];
  const address = parseAddress(text);
  // An IPv4 address wrapped in IPv6 would change what the prefix counts.
  const widest = address?.kind() === "ipv6" ? 128 : 32;
  if (!address || Number(digits) > widest || (widest === 32 && text.includes(":"))) {
    throw wrong(entry, "is not a CIDR");
  }
  return { kind: "range", network: address.toString(), bits: Number(digits), port: null };
}

/** Short spellings (`127.1`, `0x7f000001`) mean what they mean in a URL. */
function literal(text: string): Address | null {
  const direct = parseAddress(text);
  if (direct || !/^[0-9a-fx.]+$/i.test(text)) return direct;
  const host = URL.parse(`http://${text}/`)?.hostname;
  return host === undefined ? null : parseAddress(host);
}

function single(address: Address, port: number | null): AllowRule {
  return { kind: "range", network: address.toString(), bits: address.kind() === "ipv4" ? 32 : 128, port };
}

function wrong(entry: string, what: string): Problem {
  return new Problem("invalid_setting", `OUTBOUND_ALLOW: "${entry}" ${what}`, HOW, {
    setting: "OUTBOUND_ALLOW",
  });
}

/** Whether a rule names this host and port; `host` without brackets or trailing dot, in lower case. */
export function allowsHost(rules: readonly AllowRule[], host: string, port: number): boolean {
  return rules.some(
    (rule) => rule.kind === "host" && rule.host === host && (rule.port === null || rule.port === port),
  );
}

/** Whether a rule's range holds this address, on this port. */
export function allowsAddress(rules: readonly AllowRule[], address: Address, port: number): boolean {
  return rules.some((rule) => {
    if (rule.kind !== "range" || (rule.port !== null && rule.port !== port)) return false;
    const network = ipaddr.parse(rule.network);
    return network.kind() === address.kind() && address.match(network, rule.bits);
  });
}

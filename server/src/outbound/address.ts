/** Classifies IP addresses: which are public, in whatever spelling. Knows no names and opens nothing. */
import ipaddr from "ipaddr.js";

export type Address = ipaddr.IPv4 | ipaddr.IPv6;

/** 64:ff9b::/96 carries an IPv4 address that a NAT64 gateway will call for us. */
const NAT64: [ipaddr.IPv6, number] = [ipaddr.IPv6.parse("64:ff9b::"), 96];
/** ::/96 did the same in the early days of IPv6. */
const COMPATIBLE: [ipaddr.IPv6, number] = [ipaddr.IPv6.parse("::"), 96];
const GLOBAL_UNICAST: [ipaddr.IPv6, number] = [ipaddr.IPv6.parse("2000::"), 3];
/** Public by its number, but every Azure machine's own host and metadata agent. */
const AZURE_HOST = "168.63.129.16";

/** The address of a literal such as `127.0.0.1`, `::1`, `[::1]` or `fe80::1%eth0`; null for a name. */
export function parseAddress(text: string): Address | null {
  const bare = text.startsWith("[") && text.endsWith("]") ? text.slice(1, -1) : text;
  const withoutZone = bare.split("%")[0]!;
  if (ipaddr.IPv4.isValidFourPartDecimal(withoutZone)) return ipaddr.IPv4.parse(withoutZone);
  if (ipaddr.IPv6.isValid(withoutZone)) return unwrap(ipaddr.IPv6.parse(withoutZone));
  return null;
}

/** An IPv6 address that only wraps an IPv4 one is that IPv4 address: rules and classes are about the target. */
function unwrap(address: ipaddr.IPv6): Address {
  if (address.isIPv4MappedAddress()) return address.toIPv4Address();
  const bytes = address.toByteArray();
  const wrapsSmall = address.match(COMPATIBLE) && bytes.slice(12).some((byte, i) => byte > (i === 3 ? 1 : 0));
  if (address.match(NAT64) || wrapsSmall) return new ipaddr.IPv4(bytes.slice(12));
  return address;
}

/** What keeps an address from being public, in words; null for a public one. */
export function privateKind(address: Address): string | null {
  const range = address.range();
  if (range !== "unicast") return KINDS[range] ?? `a reserved address (${range})`;
  if (address.kind() === "ipv6") {
    return (address as ipaddr.IPv6).match(GLOBAL_UNICAST) ? null : "an address outside of the global range";
  }
  return address.toString() === AZURE_HOST ? "a cloud host's own address" : null;
}

const KINDS: Record<string, string> = {
  loopback: "a loopback address",
  private: "a private address",
  uniqueLocal: "a private address",
  linkLocal: "a link-local address (cloud metadata lives there)",
  deprecatedSiteLocal: "a private address",
  carrierGradeNat: "a carrier's private address",
  unspecified: "this host's own address",
  multicast: "a multicast address",
  broadcast: "a broadcast address",
};

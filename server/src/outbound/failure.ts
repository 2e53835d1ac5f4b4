/** Owns the ways in which an outgoing request fails, told apart by what they mean for delivery. */

/**
 * `refused_by_guard`, `dns`, `connect` and `too_late`: nothing was sent. `timeout`, `reset` and `too_large`: the receiver may
 * have got the request and acted on it.
 */
export type FailureKind =
  | "refused_by_guard"
  | "dns"
  | "connect"
  | "too_late"
  | "timeout"
  | "reset"
  | "too_large";

const NEVER_SENT: readonly FailureKind[] = ["refused_by_guard", "dns", "connect", "too_late"];

export class OutboundFailure extends Error {
  override readonly name = "OutboundFailure";
  readonly kind: FailureKind;
  /** false: the receiver certainly did not get the request. */
  readonly maybeReceived: boolean;

  constructor(kind: FailureKind, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.kind = kind;
    this.maybeReceived = !NEVER_SENT.includes(kind);
  }
}

const DNS_CODES = ["ENOTFOUND", "EAI_AGAIN", "EAI_FAIL", "EAI_NODATA", "EAI_NONAME", "ENODATA", "ESERVFAIL"];
const CONNECT_CODES = [
  "ECONNREFUSED",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EADDRNOTAVAIL",
  "EACCES",
  "EPERM",
  "UND_ERR_CONNECT_TIMEOUT",
];

/** Names an error of the HTTP client; `host` is for the message. */
export function asFailure(error: unknown, host: string): OutboundFailure {
  if (error instanceof OutboundFailure) return error;
  const { code, message } = error as { code?: string; message?: string };
  const codes = error instanceof AggregateError ? error.errors.map((one) => one.code) : [code];
  const words = message || codes.join(", ") || "no reason given";
  if (code === "UND_ERR_INVALID_ARG") {
    return new OutboundFailure("refused_by_guard", `the request to ${host} cannot be sent: ${words}`, error);
  }
  if (codes.every((one) => DNS_CODES.includes(one))) {
    return new OutboundFailure("dns", `${host} cannot be resolved: ${words}`, error);
  }
  // Certificates are checked before the request is written.
  if (codes.every((one) => CONNECT_CODES.includes(one) || isTlsCode(one))) {
    return new OutboundFailure("connect", `${host} cannot be connected to: ${words}`, error);
  }
  if ((error as { syscall?: string }).syscall === "connect") {
    return new OutboundFailure("connect", `${host} cannot be connected to: ${words}`, error);
  }
  return new OutboundFailure("reset", `the connection to ${host} broke: ${words}`, error);
}

function isTlsCode(code: unknown): boolean {
  return (
    typeof code === "string" && /^(ERR_TLS_|ERR_SSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)/.test(code)
  );
}

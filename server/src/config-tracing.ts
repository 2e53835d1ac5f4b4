/** Owns OpenTelemetry's own settings for traces, under their standard names. Reads nothing else of the environment. */
import { Problem } from "@master-orchestrator/contract";

export interface TracingConfig {
  /** Where spans are posted. */
  url: string;
  headers: Record<string, string>;
  /** What describes this service to whoever reads the traces. */
  resource: Record<string, string>;
  /** Of the traces that begin here so many are recorded, from 0 to 1. */
  ratio: number;
}

type Environment = Record<string, string | undefined>;

/** Null: traces are passed on but not recorded, which is the default. Throws Problem `invalid_setting`. */
export function loadTracing(env: Environment): TracingConfig | null {
  const get = (name: string) => env[name]?.trim() || null;
  if (/^true$/i.test(get("OTEL_SDK_DISABLED") ?? "") || get("OTEL_TRACES_EXPORTER") === "none") return null;
  const own = get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
  const base = get("OTEL_EXPORTER_OTLP_ENDPOINT");
  const name = own === null ? "OTEL_EXPORTER_OTLP_ENDPOINT" : "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
  if (own === null && base === null) return null;
  const protocol = get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") ?? get("OTEL_EXPORTER_OTLP_PROTOCOL");
  if (protocol !== null && !protocol.startsWith("http/")) {
    throw wrong(
      "OTEL_EXPORTER_OTLP_PROTOCOL",
      protocol,
      "http/json; a collector takes it at its HTTP port, 4318 as a rule",
    );
  }
  const url = URL.parse(own ?? `${base?.replace(/\/+$/, "")}/v1/traces`);
  if (url === null || !/^https?:$/.test(url.protocol) || url.username || url.hash) {
    throw wrong(name, null, "a URL that begins with http:// or https://, e.g. http://127.0.0.1:4318");
  }
  return {
    url: url.href,
    headers: {
      ...readPairs("OTEL_EXPORTER_OTLP_HEADERS", get("OTEL_EXPORTER_OTLP_HEADERS")),
      ...readPairs("OTEL_EXPORTER_OTLP_TRACES_HEADERS", get("OTEL_EXPORTER_OTLP_TRACES_HEADERS")),
    },
    resource: {
      "service.name": "master-orchestrator",
      ...readPairs("OTEL_RESOURCE_ATTRIBUTES", get("OTEL_RESOURCE_ATTRIBUTES")),
      ...(get("OTEL_SERVICE_NAME") ? { "service.name": get("OTEL_SERVICE_NAME") as string } : {}),
    },
    ratio: readRatio(get("OTEL_TRACES_SAMPLER") ?? "parentbased_always_on", get("OTEL_TRACES_SAMPLER_ARG")),
  };
}

/** `name=value,name=value`, the values percent-encoded. */
function readPairs(setting: string, text: string | null): Record<string, string> {
  const pairs = (text ?? "").split(",").filter((pair) => pair.trim() !== "");
  return Object.fromEntries(
    pairs.map((pair) => {
      const [, name, value] = /^\s*([^=\s]+)\s*=\s*(.*?)\s*$/.exec(pair) ?? [];
      try {
        if (name !== undefined) return [name, decodeURIComponent(value as string)];
      } catch {}
      throw wrong(setting, null, "name=value pairs, separated by commas, the values percent-encoded");
    }),
  );
}

function readRatio(sampler: string, argument: string | null): number {
  if (/^(parentbased_)?always_on$/.test(sampler)) return 1;
  if (/^(parentbased_)?always_off$/.test(sampler)) return 0;
  if (!/^(parentbased_)?traceidratio$/.test(sampler)) {
    const allowed = "parentbased_always_on, parentbased_always_off, parentbased_traceidratio";
    throw wrong("OTEL_TRACES_SAMPLER", sampler, allowed);
  }
  const ratio = Number(argument ?? "1");
  if (!(ratio >= 0 && ratio <= 1))
    throw wrong("OTEL_TRACES_SAMPLER_ARG", argument, "a number from 0 to 1, e.g. 0.1");
  return ratio;
}

/** A value is told only where it can hold no secret. */
function wrong(setting: string, value: string | null, allowed: string): Problem {
  const what = value === null ? "the value" : `"${value}"`;
  return new Problem("invalid_setting", `${setting}: ${what} is not allowed`, `Allowed: ${allowed}.`, {
    setting,
  });
}

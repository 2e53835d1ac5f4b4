/** Writes figures in the text form that Prometheus reads. Knows no figure. */

export type Labels = Readonly<Record<string, string>>;
export interface Sample {
  labels?: Labels;
  value: number;
}
export interface HistogramSample {
  labels: Labels;
  /** Counts between the bounds, and above the last one. */
  counts: readonly number[];
  sum: number;
}

/** One figure with its samples; nothing without any. */
export function metric(
  name: string,
  kind: "gauge" | "counter",
  help: string,
  samples: readonly (Sample | null)[],
): string {
  const known = samples.filter((sample) => sample !== null && Number.isFinite(sample.value)) as Sample[];
  if (known.length === 0) return "";
  return `${head(name, kind, help)}${known.map(({ labels, value }) => `${name}${written(labels)} ${value}\n`).join("")}`;
}

/** A histogram whose buckets have these upper bounds. */
export function histogram(
  name: string,
  help: string,
  bounds: readonly number[],
  samples: readonly HistogramSample[],
): string {
  if (samples.length === 0) return "";
  const lines = samples.map(({ labels, counts, sum }) => {
    let below = 0;
    const buckets = bounds.map((bound, i) => {
      below += counts[i] ?? 0;
      return `${name}_bucket${written({ ...labels, le: String(bound) })} ${below}\n`;
    });
    const all = below + (counts[bounds.length] ?? 0);
    const rest = `${name}_bucket${written({ ...labels, le: "+Inf" })} ${all}\n`;
    return `${buckets.join("")}${rest}${name}_sum${written(labels)} ${sum}\n${name}_count${written(labels)} ${all}\n`;
  });
  return `${head(name, "histogram", help)}${lines.join("")}`;
}

function head(name: string, kind: string, help: string): string {
  return `# HELP ${name} ${help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")}\n# TYPE ${name} ${kind}\n`;
}

function written(labels: Labels = {}): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function escaped(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

/** Where a workflow's messages may go: its targets by their names, and what may be shown of their addresses. */
import { z } from "zod";
import { Timestamp } from "./primitives.ts";

export const WebhookUrl = z.url({ protocol: /^https?$/ }).max(2000);

export const TargetSettings = z.strictObject({
  webhook_url: WebhookUrl,
  weight: z
    .number()
    .min(0)
    .max(1000)
    .default(1)
    .meta({ description: "Its part of the work, relative to the others; 0: it is draining" }),
  name: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, "must be letters, digits, dots, dashes and underscores")
    .optional()
    .meta({ description: "What it is called everywhere; its address without the query when left out" }),
  max_concurrent: z.int().min(1).max(1000).optional().meta({ description: "Runs at once at this target" }),
  draining: z.boolean().optional().meta({ description: "It gets nothing new; what runs there may finish" }),
});

/** What decides where a message goes. */
export interface Target {
  name: string;
  url: string;
  weight: number;
  maxConcurrent: number | null;
  /** It gets nothing new. */
  draining: boolean;
}

/** How the one target of a built-in workflow without an address is called: whichever process delivers. */
export const OWN_TARGET = "built-in";

type Addresses = {
  webhook_url?: string | undefined;
  targets?: readonly z.input<typeof TargetSettings>[] | undefined;
};

/**
 * The targets of a workflow in the order in which they were given, each name once: `webhook_url` is one of them,
 * with weight 1 unless it is listed.
 */
export function targetsOf({ webhook_url, targets = [] }: Addresses): Target[] {
  const listed = targets.some((target) => target.webhook_url === webhook_url);
  const all = [...(webhook_url === undefined || listed ? [] : [{ webhook_url }]), ...targets].map(targetOf);
  return all.filter((target, i) => all.findIndex(({ name }) => name === target.name) === i);
}

function targetOf({
  webhook_url,
  weight = 1,
  name,
  max_concurrent,
  draining,
}: z.input<typeof TargetSettings>): Target {
  return {
    name: name ?? addressOf(webhook_url),
    url: webhook_url,
    weight,
    maxConcurrent: max_concurrent ?? null,
    draining: draining === true || weight === 0,
  };
}

/** An address without what may be secret in it: credentials, query, fragment. */
export function addressOf(url: string): string {
  return url.replace(/[?#].*$/s, "").replace(/^(https?:\/\/)[^/]*@/i, "$1");
}

const HIDDEN = "****";

/** An address as it is shown: a value of its query may be a secret, its name is none. */
export function maskedUrl(url: string): string {
  const [, query, fragment] = /^[^?#]*(?:\?([^#]*))?(#.*)?$/s.exec(url) ?? [];
  if (query === undefined && fragment === undefined) return addressOf(url);
  const shown = (query ?? "")
    .split("&")
    .map((part) => (part.includes("=") ? `${part.slice(0, part.indexOf("=") + 1)}${HIDDEN}` : part && HIDDEN))
    .join("&");
  return `${addressOf(url)}${query === undefined ? "" : `?${shown}`}`;
}

/** True for an address of which something is hidden, so that it cannot be called. */
export function isMasked(url: string): boolean {
  return url.includes(`=${HIDDEN}`) || url.includes(`?${HIDDEN}`) || url.includes(`&${HIDDEN}`);
}

/** How a target stands. `removed`: no target any more, but runs that were sent there have not ended. */
export const TARGET_STATES = ["up", "resting", "draining", "open", "half_open", "removed"] as const;
export const TargetState = z.enum(TARGET_STATES);
export type TargetState = z.infer<typeof TargetState>;

/** A target as it is shown with its workflow. */
export const TargetShown = z
  .object({
    name: z.string(),
    webhook_url: z.string().nullable().meta({ description: "Values in its query are masked" }),
    weight: z.number(),
    max_concurrent: z.int().nullable(),
    draining: z.boolean(),
    state: TargetState.meta({ description: "open, half_open: its circuit breaker's" }),
    outstanding: z.int().meta({ description: "Runs that may be working there now" }),
    room: z.number().meta({
      description:
        "1: it takes its weight; less after answers 429 and 503, slow ones and none, back with good ones",
    }),
    failures_in_row: z.int(),
    last_success_at: Timestamp.nullable(),
    last_failure_at: Timestamp.nullable(),
    last_failure: z.string().nullable(),
    rests_until: Timestamp.nullable().meta({ description: "It has asked to be left alone until then" }),
    next_probe_at: Timestamp.nullable().meta({ description: "While its circuit breaker is open" }),
    received: z.int().meta({ description: "Runs that were sent there, ever" }),
    received_share: z
      .number()
      .nullable()
      .meta({ description: "Of what the targets got lately (half-life ten minutes); null: nothing" }),
    entitled_share: z.number().meta({ description: "By its weight" }),
  })
  .meta({ id: "Target" });
export type TargetShown = z.infer<typeof TargetShown>;

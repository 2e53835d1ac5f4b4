/** Publishers on the wire: where articles go besides our own site. */
import { z } from "zod";
import { NextCursor, Timestamp } from "./primitives.ts";
import { SigningSecret } from "./workflow.ts";

const Url = z.url({ protocol: /^https?$/ }).max(2_000);

/** `site` is our own, which is always there. */
export const PublisherName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, "must be lower case letters, digits, _ and -, at most 63")
  .refine((name) => name !== "site", { message: "is our own site's: choose another" });

const WordPress = z.strictObject({
  kind: z.literal("wordpress"),
  settings: z.strictObject({
    site_url: Url.meta({ description: "Without /wp-json" }),
    user: z.string().min(1).max(200),
    status: z.enum(["publish", "draft"]).default("draft"),
    categories: z.array(z.string().trim().min(1).max(200)).max(20).default([]),
    keywords_as_tags: z.boolean().default(true),
  }),
  secret: z
    .string()
    .min(1)
    .max(4_000)
    .optional()
    .meta({ description: "An application password of the user" }),
  enabled: z.boolean().default(true),
});

const Webhook = z.strictObject({
  kind: z.literal("webhook"),
  settings: z.strictObject({ url: Url }),
  secret: SigningSecret.nullish().meta({ description: "Signs by Standard Webhooks; null: not signed" }),
  enabled: z.boolean().default(true),
});

const Markdown = z.strictObject({
  kind: z.literal("markdown"),
  settings: z
    .strictObject({
      folder: z
        .string()
        .max(300)
        .regex(
          /^(?:[A-Za-z0-9_][A-Za-z0-9._-]{0,100}(?:\/(?!$)|$))*$/,
          "must be names joined by /, below the articles' folder",
        )
        .default(""),
    })
    .prefault({}),
  enabled: z.boolean().default(true),
});

export const PublisherPut = z
  .discriminatedUnion("kind", [WordPress, Webhook, Markdown])
  .meta({ id: "PublisherPut", description: "A secret that is left out stays as it is" });

/** As it is shown: of a secret only whether there is one. */
export const Publisher = z
  .object({
    name: z.string(),
    kind: z.enum(["wordpress", "webhook", "markdown"]),
    settings: z.looseObject({}),
    has_secret: z.boolean(),
    enabled: z.boolean(),
    updated_at: Timestamp,
    updated_by: z.string(),
  })
  .meta({ id: "Publisher" });
export type Publisher = z.infer<typeof Publisher>;
export const PublisherList = z
  .object({ publishers: z.array(Publisher), next_cursor: NextCursor })
  .meta({ id: "PublisherList" });
export const PublisherTried = z
  .object({ ok: z.boolean(), detail: z.string().meta({ description: "What was found, or what is wrong" }) })
  .meta({ id: "PublisherTried" });
export const PublisherRemoved = z.object({ name: z.string() }).meta({ id: "PublisherRemoved" });

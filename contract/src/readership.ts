/** What readers did with pages and what it earned, as it is imported from analytics and shops. */
import { z } from "zod";
import { Timestamp } from "./primitives.ts";

export const MAX_ROWS_PER_IMPORT = 1_000;

const Word = z.string().trim().min(1).max(200);
const Count = z.int().min(0).max(1_000_000_000_000);
const Moment = z.union([z.iso.date(), Timestamp]).meta({
  description: "A time, or a UTC day for what was counted over it",
  example: "2026-11-24",
});
const Page = z.string().trim().min(1).max(2000).meta({
  description: "Path or address of the page; host, query and fragment are left out",
  example: "/articles/how-tides-work",
});
const RowId = z.string().min(1).max(500).meta({
  description:
    "The row's id in its source. Without one a row is known by its time and words: the same again replaces it",
});
const Visitor = Word.meta({
  description: "A pseudonym, the same for one visitor; never a name or an address",
});

const PageEvent = z.strictObject({
  id: RowId.optional(),
  at: Moment,
  page: Page,
  kind: Word.default("view").meta({ example: "view", description: "What happened: view, click, scroll …" }),
  channel: Word.default("unknown").meta({ example: "Organic Search" }),
  visitor: Visitor.optional(),
  events: Count.default(1).meta({ description: "How many the row stands for" }),
  visitors: Count.optional(),
  engaged_seconds: z.number().min(0).max(1e9).optional(),
});
export type PageEvent = z.output<typeof PageEvent>;

const Conversion = z.strictObject({
  id: RowId.optional(),
  at: Moment,
  page: Page.optional(),
  kind: Word.default("conversion").meta({ example: "newsletter" }),
  channel: Word.default("unknown"),
  offer: Word.optional(),
  visitor: Visitor.optional(),
  conversions: Count.default(1),
});
export type Conversion = z.output<typeof Conversion>;

const Revenue = z.strictObject({
  id: RowId.optional(),
  at: Moment,
  page: Page.optional(),
  channel: Word.default("unknown"),
  offer: Word.optional(),
  visitor: Visitor.optional(),
  amount_usd: z.number().min(-1e9).max(1e9).meta({ description: "US dollars; less than zero is a refund" }),
});
export type Revenue = z.output<typeof Revenue>;

/** What can be imported, and the rows of each. */
export const IMPORTS = { events: PageEvent, conversions: Conversion, revenue: Revenue } as const;
export type ImportKind = keyof typeof IMPORTS;

export const Source = z
  .string()
  .regex(/^[a-z0-9][a-z0-9_.-]{0,62}$/, "must be lower case letters, digits, _, . and -, at most 63")
  .meta({ example: "ga4", description: "Where the rows come from; ids of different sources never meet" });

const rows = <S extends z.ZodType>(row: S) => z.array(row).min(1).max(MAX_ROWS_PER_IMPORT);
export const EventsBody = z.strictObject({ source: Source, events: rows(PageEvent) });
export const ConversionsBody = z.strictObject({ source: Source, conversions: rows(Conversion) });
export const RevenueBody = z.strictObject({ source: Source, revenue: rows(Revenue) });

export const ImportAnswer = z
  .object({
    added: z.int(),
    replaced: z.int().meta({ description: "Rows that were there and said something else" }),
    unchanged: z.int(),
  })
  .meta({ id: "ImportAnswer" });
export type ImportAnswer = z.infer<typeof ImportAnswer>;

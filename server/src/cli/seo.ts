/** Owns `orchestrator seo …`: audits of pages, what they recommend, and deciding about it. Audits nothing itself. */
import type {
  Audit,
  AuditList,
  AuditSummary,
  Recommendation,
  RecommendationDecided,
} from "@master-orchestrator/contract";
import type { Command } from "commander";
import type { z } from "zod";
import { path } from "./api.ts";
import { printFields, printValue } from "./details.ts";
import { addGroup, addListing, fetchList, showList, withPaging } from "./list.ts";
import { type Options, type Session, type Shell, withAction } from "./session.ts";
import { ago, counted, plain } from "./text.ts";

type Decided = z.infer<typeof RecommendationDecided>;

/** Registers the group. */
export function addSeo(program: Command, shell: Shell): void {
  const group = addGroup(program, "seo", "audits of pages, and what they recommend");
  withPaging(addListing(group, shell, "list audits, newest first", listAudits)).option(
    "--article <slug>",
    "of one article, with the trend of its score",
  );
  withPaging(
    withAction(
      group.command("audits").description("the same: list audits"),
      shell,
      (session, _args, options) => listAudits(session, [], options),
    ),
  ).option("--article <slug>", "of one article, with the trend of its score");
  withAction(
    group
      .command("audit")
      .description("enqueue an audit of an own article (its slug) or of any page (its address)")
      .argument("<slug-or-url>"),
    shell,
    enqueue,
  );
  withAction(
    group
      .command("show")
      .description("an audit with its findings and recommendations")
      .argument("<audit-id>"),
    shell,
    async (session, [id]) => {
      const audit = await session.api<Audit>("GET", path`/api/v1/content/audits/${id!}`);
      session.show(audit, () => render(session, audit));
      return undefined;
    },
  );
  withPaging(
    withAction(
      group.command("recommendations").description("recommendations, the largest expected gain first"),
      shell,
      listRecommendations,
    ),
  )
    .option("--article <slug>", "of one article")
    .option("--status <status>", "open, applied, rejected, rolled_back, superseded", "open")
    .option("--applicable", "only those that approving applies");
  for (const [verb, words] of VERBS) {
    withAction(
      group.command(verb).description(words).argument("<recommendation-id>"),
      shell,
      (session, [id]) => decide(session, verb, id!),
    );
  }
}

const VERBS = [
  ["approve", "change the article as recommended; what it was before is kept"],
  ["reject", "refuse a recommendation for good"],
  ["rollback", "give the article back what an approval changed"],
] as const;

async function listAudits(session: Session, _args: string[], options: Options): Promise<undefined> {
  const now = session.terminal.now();
  const query = { article: options.article as string | undefined };
  const audits = await fetchList<AuditSummary>(session, "/api/v1/content/audits", "audits", query, options);
  const layout = [
    { title: "AUDIT", value: (each: AuditSummary) => each.audit_id },
    { title: "SCORE", value: (each: AuditSummary) => each.score, right: true },
    { title: "BEFORE", value: (each: AuditSummary) => each.previous_score, right: true },
    { title: "FINDINGS", value: (each: AuditSummary) => each.findings, right: true },
    { title: "AT", value: (each: AuditSummary) => ago(each.audited_at, now) },
    { title: "PAGE", value: (each: AuditSummary) => each.slug ?? each.url, shrinks: true },
  ];
  showList(session, audits, layout, "no audits");
  const { trend } = audits.answer as unknown as AuditList;
  if (!session.json && trend && trend.audits > 1) {
    const { first_score, last_score, change_per_30_days: change } = trend;
    const slope =
      change === null ? "" : `; ${change >= 0 ? "+" : ""}${change} in 30 days by its regression line`;
    session.screen.remark(`${first_score} at first, ${last_score} now, ${trend.audits} audits${slope}`);
  }
}

async function listRecommendations(session: Session, _args: string[], options: Options): Promise<undefined> {
  const query = {
    status: options.status as string | undefined,
    article: options.article as string | undefined,
    applicable: options.applicable === true ? "true" : undefined,
  };
  const address = "/api/v1/content/recommendations";
  const found = await fetchList<Recommendation>(session, address, "recommendations", query, options);
  const layout = [
    { title: "RECOMMENDATION", value: (each: Recommendation) => each.recommendation_id },
    { title: "GAIN", value: (each: Recommendation) => each.gain.toFixed(1), right: true },
    { title: "BY", value: (each: Recommendation) => (each.applicable ? "approval" : "a person") },
    { title: "PAGE", value: (each: Recommendation) => each.slug ?? each.url, shrinks: true },
    { title: "WHAT", value: (each: Recommendation) => each.detail, shrinks: true },
  ];
  showList(session, found, layout, "no recommendations");
}

async function enqueue(session: Session, [what]: string[]): Promise<undefined> {
  const payload = /^https?:\/\//i.test(what!) ? { url: what } : { slug: what };
  const body = { workflow_type: "seo_monitor", payload, priority: 70 };
  const answer = await session.api<{ tasks: { task_id: string }[] }>("POST", "/api/v1/tasks", { body });
  session.show(answer, () => session.screen.line(`task ${plain(answer.tasks[0]?.task_id ?? "")}`));
  return undefined;
}

async function decide(session: Session, verb: (typeof VERBS)[number][0], id: string): Promise<undefined> {
  const decided = await session.api<Decided>("POST", path`/api/v1/content/recommendations/${id}/${verb}`);
  const { recommendation, revision } = decided;
  session.show(decided, () => {
    const { screen } = session;
    screen.line(
      `${plain(recommendation.rule)} of ${plain(recommendation.slug ?? recommendation.url)}: ${recommendation.status}`,
    );
    if (revision) {
      screen.line(
        `${counted(revision.fields.length, "field")} changed: ${revision.fields.map(({ field }) => plain(field)).join(", ")}`,
      );
    }
  });
  return undefined;
}

function render({ screen, terminal }: Session, audit: Audit): void {
  printFields(screen, {
    audit: plain(audit.audit_id),
    page: plain(audit.slug ?? audit.url),
    address: plain(audit.url),
    audited: ago(audit.audited_at, terminal.now()),
    score: `${audit.score} of 100${audit.previous_score === null ? "" : `, ${audit.previous_score} before`}`,
    ...Object.fromEntries(
      Object.entries(audit.parts).map(([part, score]) => [
        plain(part.replaceAll("_", " ")),
        score ?? "not measured",
      ]),
    ),
    task: plain(audit.task_id),
  });
  const sections: [heading: string, lines: string[]][] = [
    ["findings", audit.findings.map(findingLine)],
    ["recommendations", audit.recommendations.map(recommendationLine)],
  ];
  for (const [heading, lines] of sections) {
    if (lines.length === 0) continue;
    screen.line();
    screen.line(screen.paint("bold", heading));
    for (const line of lines) screen.line(`  ${line}`);
  }
  printValue(screen, "measures", audit.measures);
}

function findingLine({ severity, rule, message }: Audit["findings"][number]): string {
  return `${severity.padEnd(8)}  ${plain(`${rule}: ${message}`)}`;
}

function recommendationLine(one: Recommendation): string {
  const todo = one.applicable ? `approve ${one.recommendation_id}` : "by hand";
  const whose = one.basis === "rule" ? "" : `; by ${one.basis}`;
  const aside = `${one.status === "open" ? todo : one.status}${whose}`;
  return `${`+${one.gain.toFixed(1)}`.padStart(5)}  ${plain(`${one.detail} (${aside})`)}`;
}

/** Owns the API of the policy: reading, changing by partial documents, history, rollback. Decides nothing by it. */
import {
  defaultPolicy,
  didYouMean,
  LaneName,
  mergePolicy,
  PolicyHistory,
  PolicyHistoryQuery,
  PolicyPatch,
  PolicyPreview,
  PolicyPreviewBody,
  PolicyVersion,
  Problem,
} from "@master-orchestrator/contract";
import { z } from "zod";
import { listChannels, MOST_CHANNELS } from "#store/alerts-channels.ts";
import type { Queryable } from "#store/database.ts";
import {
  changePolicy,
  findPolicyVersion,
  listPolicyVersions,
  policyInForce,
  type StoredPolicy,
} from "#store/policies.ts";
import { unknownWorkflow } from "#store/tasks.ts";
import { unregistered } from "#store/workflows.ts";
import { pagesOf } from "../cursor.ts";
import type { Preview } from "../policy-preview.ts";
import { wrongField } from "../problem.ts";
import { actorOf, defineRoute, type HeaderLookup, type Remark, type Route } from "../route.ts";

export interface PolicyRouteOptions {
  db: Queryable;
  /** A new version is stored: the next cycle may as well be now. */
  changed?(): void;
  preview: Preview;
}

const PolicyRollback = z
  .strictObject({ version: z.int().min(1).max(2_147_483_647), comment: z.string().max(1000).optional() })
  .meta({ id: "PolicyRollback" });

export function policyRoutes(options: PolicyRouteOptions): Route[] {
  const about = { tag: "Policy" } as const;
  return [
    defineRoute({
      ...about,
      method: "GET",
      path: "/api/v1/policy",
      summary: "The policy in force",
      access: "viewer",
      answers: { 200: PolicyVersion },
      handle: async () => answer(await policyInForce(options.db)),
    }),
    defineRoute({
      ...about,
      method: "PUT",
      path: "/api/v1/policy",
      summary: "Change the policy",
      description:
        "A partial document merges into the policy in force: objects by their members, everything else by " +
        "replacement; null removes an entry of lanes, providers, prices or alerts. The whole result is validated. " +
        "With `If-Match: <version>` the change is refused (409) if that version is no longer in force.",
      access: "admin",
      body: PolicyPatch,
      answers: { 200: PolicyVersion },
      async handle({ body, caller, headers, remark }) {
        const expected = readIfMatch(headers);
        const changedBy = actorOf(caller);
        const comment = body.comment ?? null;
        await refuseUnknownLanes(options.db, body.policy.lanes);
        await refuseUnknownChannels(options.db, body.policy.alerts);
        const stored = await changePolicy(options.db, expected, (current) => ({
          policy: mergePolicy(current.policy, body.policy, "/policy"),
          comment,
          changedBy,
        }));
        options.changed?.();
        remark(await changeOf(options.db, stored));
        return answer(stored);
      },
    }),
    previewRoute(options),
    defineRoute({
      ...about,
      method: "GET",
      path: "/api/v1/policy/history",
      summary: "All versions of the policy, the newest first",
      access: "viewer",
      query: PolicyHistoryQuery,
      answers: { 200: PolicyHistory },
      async handle({ query }) {
        return { status: 200, body: await history(options.db, query) };
      },
    }),
    defineRoute({
      ...about,
      method: "POST",
      path: "/api/v1/policy/rollback",
      summary: "Put an earlier version into force again, as a new version",
      access: "admin",
      body: PolicyRollback,
      answers: { 200: PolicyVersion },
      async handle({ body, caller, headers, remark }) {
        const target = await findPolicyVersion(options.db, body.version);
        if (!target) {
          throw new Problem(
            "not_found",
            `there is no version ${body.version} of the policy`,
            "List them with GET /api/v1/policy/history.",
          );
        }
        const comment = body.comment ?? `rollback to version ${body.version}`;
        const changed = { policy: target.policy, comment, changedBy: actorOf(caller) };
        const stored = await changePolicy(options.db, readIfMatch(headers), () => changed);
        options.changed?.();
        remark(await changeOf(options.db, stored));
        return answer(stored);
      },
    }),
  ];
}

function previewRoute(options: PolicyRouteOptions): Route {
  return defineRoute({
    tag: "Policy",
    method: "POST",
    path: "/api/v1/policy/preview",
    summary: "What would have changed: the recorded past under the policy in force, and under a change of it",
    description:
      "Nothing is changed. The simulator (docs/simulate.md) takes the tasks of the last hours, the newest 5,000 of them, through " +
      "both policies with the durations, failures and costs that were recorded. One at a time, within 20 seconds.",
    access: "operator",
    body: PolicyPreviewBody,
    answers: { 200: PolicyPreview },
    async handle({ body, signal }) {
      await refuseUnknownLanes(options.db, body.policy.lanes);
      const { version, policy } = await policyInForce(options.db);
      const proposed = mergePolicy(policy, body.policy, "/policy");
      const found = await options.preview({ current: policy, proposed, hours: body.hours }, signal);
      return { status: 200, body: { policy_version: version, ...found } };
    },
  });
}

/** For the log of who did what: the version before as far as it differs, and what it became. */
async function changeOf(db: Queryable, stored: StoredPolicy): Promise<Remark> {
  const former = await findPolicyVersion(db, stored.version - 1);
  const before = former?.policy ?? defaultPolicy();
  const target = `policy version ${stored.version}`;
  return { target, before: differing(before, stored.policy), after: differing(stored.policy, before) };
}

/** The parts of `one` that `other` does not have alike. */
function differing(one: unknown, other: unknown): unknown {
  const isPart = (value: unknown) => typeof value === "object" && value !== null && !Array.isArray(value);
  if (!isPart(one) || !isPart(other)) return one;
  const theirs = other as Record<string, unknown>;
  const parts = Object.entries(one as Record<string, unknown>)
    .filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(theirs[name]))
    .map(([name, value]) => [name, differing(value, theirs[name])] as const);
  return Object.fromEntries(parts);
}

async function history(db: Queryable, query: z.output<typeof PolicyHistoryQuery>) {
  const pages = pagesOf("policy_history", query, /^[1-9]\d{0,8}$/);
  const before = pages.after();
  const stored = await listPolicyVersions(db, before === undefined ? null : Number(before), query.limit + 1);
  const page = stored.slice(0, query.limit);
  const next_cursor = pages.next(page, ({ version }) => String(version), stored.length > query.limit);
  return { versions: page.map(shown), next_cursor };
}

/** A lane of a workflow that nobody has registered is most likely misspelt. One that is taken away may be. */
async function refuseUnknownLanes(db: Queryable, lanes: unknown): Promise<void> {
  if (lanes === null || typeof lanes !== "object") return;
  const given = Object.entries(lanes).filter(
    ([lane, value]) => value !== null && LaneName.safeParse(lane).success,
  );
  const typeOf = (lane: string) => lane.split("/")[0] as string;
  const unknown = await unregistered(
    db,
    given.map(([lane]) => typeOf(lane)),
  );
  const [wrong] = given.find(([lane]) => unknown.has(typeOf(lane))) ?? [];
  if (wrong !== undefined) throw await unknownWorkflow(db, typeOf(wrong), `/policy/lanes/${wrong}`);
}

/** A channel that nobody has made would never tell anybody: it is made first. */
async function refuseUnknownChannels(db: Queryable, alerts: unknown): Promise<void> {
  const part = AlertsPart.safeParse(alerts);
  if (!part.success) return;
  const { rules, escalation } = part.data;
  const named = [...Object.values(rules), ...escalation].flatMap((one) => one?.channels ?? []);
  if (named.length === 0) return;
  const known = (await listChannels(db, null, MOST_CHANNELS)).map(({ name }) => name);
  const wrong = named.find((name) => !known.includes(name));
  if (wrong === undefined) return;
  const meant = didYouMean(wrong, known);
  const choice =
    known.length > 0
      ? `known: ${known.join(", ")}`
      : "there are none yet: PUT /api/v1/alerts/channels/{name}";
  throw wrongField(
    "/policy/alerts",
    `there is no channel "${wrong}"; ${meant ? `did you mean "${meant}"? ` : ""}${choice}`,
  );
}

/** As far as it names channels; whatever else is wrong with it is told after the merge. */
const Naming = z.looseObject({ channels: z.array(z.string()).optional() });
const AlertsPart = z.looseObject({
  rules: z.record(z.string(), Naming.nullable()).default({}),
  escalation: z.array(Naming).default([]),
});

function readIfMatch(headers: HeaderLookup): number | null {
  const header = headers.get("if-match");
  if (header === null || header.trim() === "*") return null;
  const version = /^(?:W\/)?"?(\d{1,9})"?$/.exec(header.trim())?.[1];
  if (version === undefined) throw wrongField("If-Match", "must be a version of the policy, e.g. 3");
  return Number(version);
}

function answer(stored: StoredPolicy) {
  return { status: 200, body: shown(stored), headers: { etag: `"${stored.version}"` } };
}

function shown(stored: StoredPolicy): z.input<typeof PolicyVersion> {
  return {
    version: stored.version,
    policy: stored.policy,
    comment: stored.comment,
    changed_by: stored.changedBy,
    changed_at: new Date(stored.changedAtMs).toISOString(),
  };
}

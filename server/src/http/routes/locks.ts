/** Locks over HTTP: acquire, renew, release, and what operators see of them. Waits nowhere itself. */
import {
  AcquireBody,
  Lease,
  LOCK_NAME,
  Lock,
  LockList,
  LockListQuery,
  LockPath,
  Problem,
  ReleaseBody,
  Released,
  RenewBody,
} from "@master-orchestrator/contract";
import type { z } from "zod";
import type { Log } from "#log.ts";
import type { LockLine } from "#migrate/lock-line.ts";
import type { Database } from "#store/database.ts";
import { breakLock, type LeaseRow, type LockRow, listLocks, lockByName, renewLease } from "#store/locks.ts";
import { pagesOf } from "../cursor.ts";
import { time } from "../present.ts";
import { actorOf, defineRoute, type Route } from "../route.ts";

export interface LockRoutesContext {
  db: Database;
  line: LockLine;
  log: Log;
}

const about = { tag: "Locks", params: LockPath } as const;
const LOCKED_HINT = "Try again after Retry-After, or pass wait_seconds to wait in line.";
const LOST_HINT =
  "It has expired, was released or was broken: what it protected may be another's by now. Stop, and acquire again with a longer ttl_seconds.";

export function lockRoutes(context: LockRoutesContext): Route[] {
  return [acquireRoute(context), ...leaseRoutes(context), ...operatorRoutes(context)];
}

function acquireRoute({ line }: LockRoutesContext): Route {
  return defineRoute({
    ...about,
    method: "POST",
    path: "/api/v1/locks/:name/acquire",
    summary: "Take a lock for a time, if need be after waiting in line",
    description: "Acquiring again without one's lease is refused, for the same holder too: renew it instead.",
    access: "worker",
    body: AcquireBody,
    answers: { 200: Lease },
    async handle({ params: { name }, body, signal }) {
      const ask = { name, holder: body.holder, ttlMs: Math.round(body.ttl_seconds * 1000) };
      const acquired = await line.acquire(ask, { waitMs: body.wait_seconds * 1000, signal });
      if (acquired.kind === "granted") return { status: 200, body: shownLease(acquired.lease) };
      if (acquired.kind === "given_up") {
        throw new Problem(
          "unavailable",
          "the wait for the lock was broken off",
          "Try again: nothing is held.",
        );
      }
      const { holder, freeWithinMs } = acquired;
      const by = holder === null ? "others stand before it in line" : `it is held by "${holder}"`;
      const seconds = Math.max(1, Math.ceil(freeWithinMs / 1000));
      throw new Problem("locked", `the lock "${name}" is not free: ${by}`, LOCKED_HINT, {
        holder,
        retry_after_seconds: seconds,
      });
    },
  });
}

function leaseRoutes({ db, line }: LockRoutesContext): Route[] {
  return [
    defineRoute({
      ...about,
      method: "POST",
      path: "/api/v1/locks/:name/renew",
      summary: "Keep a lock for longer",
      access: "worker",
      body: RenewBody,
      answers: { 200: Lease },
      async handle({ params: { name }, body }) {
        const ttlMs = body.ttl_seconds === undefined ? null : Math.round(body.ttl_seconds * 1000);
        const lease = await renewLease(db, { name, leaseId: body.lease_id, ttlMs });
        if (!lease) throw leaseLost(name, body.lease_id);
        return { status: 200, body: shownLease(lease) };
      },
    }),
    defineRoute({
      ...about,
      method: "POST",
      path: "/api/v1/locks/:name/release",
      summary: "Give a lock back",
      access: "worker",
      body: ReleaseBody,
      answers: { 200: Released },
      async handle({ params: { name }, body }) {
        if (!(await line.release(name, body.lease_id))) throw leaseLost(name, body.lease_id);
        return { status: 200, body: { released: true } };
      },
    }),
  ];
}

function operatorRoutes({ db, line, log }: LockRoutesContext): Route[] {
  return [
    defineRoute({
      ...about,
      method: "POST",
      path: "/api/v1/locks/:name/break",
      summary: "Take a lock from whoever holds it",
      description: "Its holder is not stopped: it learns of it when it renews or releases.",
      access: "operator",
      answers: { 200: Lock },
      async handle({ params: { name }, caller }) {
        const holder = await breakLock(db, name);
        if (holder !== null) {
          log.warn("a lock was broken", { lock: name, holder, actor: actorOf(caller) });
          line.freed(name);
        }
        const lock = await lockByName(db, name);
        if (!lock)
          throw new Problem("not_found", `there is no lock "${name}"`, "GET /api/v1/locks lists them.");
        return { status: 200, body: shown(lock) };
      },
    }),
    defineRoute({
      tag: about.tag,
      method: "GET",
      path: "/api/v1/locks",
      summary: "Locks by name: who holds them, who waits, how often they were contended for",
      access: ["viewer", "worker"],
      query: LockListQuery,
      answers: { 200: LockList },
      async handle({ query }) {
        const pages = pagesOf("locks", query, LOCK_NAME);
        const held = query.held === undefined ? null : query.held === "true";
        const rows = await listLocks(db, { held, after: pages.after(), limit: query.limit });
        const next_cursor = pages.next(rows, (row) => row.name);
        return { status: 200, body: { locks: rows.map(shown), next_cursor } };
      },
    }),
  ];
}

function leaseLost(name: string, leaseId: string): Problem {
  return new Problem(
    "lease_lost",
    `the lease ${leaseId} of the lock "${name}" is not held any more`,
    LOST_HINT,
  );
}

function shownLease({ fence, leaseId, expiresAtMs }: LeaseRow): z.input<typeof Lease> {
  return { fence, lease_id: leaseId, expires_at: time(expiresAtMs) };
}

function shown(lock: LockRow): Lock {
  return {
    name: lock.name,
    held: lock.held,
    holder: lock.held ? lock.holder : null,
    fence: lock.fence,
    acquired_at: time(lock.acquiredAtMs),
    expires_at: lock.held ? time(lock.expiresAtMs) : null,
    waiting: lock.waiting,
    grants: lock.grants,
    refusals: lock.refusals,
    expirations: lock.expirations,
  };
}

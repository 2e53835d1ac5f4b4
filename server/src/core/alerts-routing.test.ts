/** Who is told what and when, and what a summary says: tables of cases, without a database. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { AlertsPolicy } from "@master-orchestrator/contract";
import { digestLines, lastDue } from "./alerts-digest.ts";
import { isTriedAgain, matches, restMs, type ToldAlert, tellings } from "./alerts-routing.ts";

const NOW = Date.UTC(2026, 11, 1, 12, 0, 0);
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

describe("telling", () => {
  const alert = (over: Partial<ToldAlert> = {}): ToldAlert => ({
    ...{ alertId: "a", rule: "busy", labels: {}, severity: "critical", state: "firing", channels: null },
    ...{ firedAtMs: NOW, acknowledged: false, toldAtMs: null, toldChannels: [], escalations: 0 },
    ...over,
  });
  const listener = (name: string, over: object = {}) => ({
    name,
    enabled: true,
    alerts: true,
    leastSeverity: "info" as const,
    ...over,
  });
  const policy = AlertsPolicy.parse({ escalation: [{ after_minutes: 15, channels: ["boss"] }] });
  const tell = (
    of: ToldAlert,
    listeners = [listener("chat"), listener("boss", { alerts: false })],
    nowMs = NOW,
  ) =>
    tellings([of], { listeners, silences: [], policy, nowMs }).tellings.map(
      ({ kind, channel }) => `${kind} ${channel}`,
    );
  it("goes to whom takes the severity, or to whom the rule names", () => {
    assert.deepEqual(tell(alert()), ["firing chat"]);
    assert.deepEqual(tell(alert({ channels: ["boss"] })), ["firing boss"]);
    assert.deepEqual(
      tell(alert({ channels: ["gone"] })),
      ["firing chat"],
      "a name that is gone tells nobody less",
    );
    assert.deepEqual(tell(alert({ severity: "info" }), [listener("chat", { leastSeverity: "warning" })]), []);
    assert.deepEqual(tell(alert({ labels: { channel: "chat" } })), [], "not through the channel that fails");
  });
  it("goes on until somebody acknowledges it, and tells the same ones that it is over", () => {
    const told = { toldAtMs: NOW, toldChannels: ["chat"] };
    assert.deepEqual(tell(alert(told), undefined, NOW + 14 * MINUTE), []);
    assert.deepEqual(tell(alert(told), undefined, NOW + 15 * MINUTE), ["escalation boss"]);
    assert.deepEqual(tell(alert({ ...told, escalations: 1 }), undefined, NOW + 4 * HOUR), ["reminder chat"]);
    assert.deepEqual(tell(alert({ ...told, acknowledged: true }), undefined, NOW + 9 * HOUR), []);
    assert.deepEqual(tell(alert({ ...told, state: "resolved" })), ["resolved chat"]);
  });
  it("is silenced where each part that is given agrees", () => {
    const of = { rule: "busy", severity: "critical" as const, labels: { lane: "news", x: "y" } };
    assert.ok(
      matches({ labels: { lane: "news" } }, of) && matches({ rule: "busy", severity: "critical" }, of),
    );
    assert.ok(!matches({ rule: "busy", labels: { lane: "sports" } }, of));
  });
  it("is tried again after longer and longer rests, up to an end", () => {
    assert.deepEqual([1, 2, 3, 7, 8, 90].map(restMs), [10_000, 20_000, 40_000, 640_000, 900_000, 900_000]);
    const again = (over: object) =>
      isTriedAgain({ tries: 1, ageMs: 0, refused: false, ...over }, { give_up_hours: 24 });
    assert.deepEqual([again({ tries: 99 }), again({ ageMs: 24 * HOUR })], [true, false]);
    assert.deepEqual([again({ refused: true, tries: 2 }), again({ refused: true, tries: 3 })], [true, false]);
  });
});

describe("a summary", () => {
  const at = (time_zone: string) => AlertsPolicy.parse({ time_zone, weekly_report: { weekday: "tuesday" } });
  const due = (kind: "daily_summary" | "weekly_report", zone: string, now: string) => {
    const { fromMs, toMs } = lastDue(kind, at(zone), Date.parse(now));
    return [fromMs, toMs].map((ms) => new Date(ms).toISOString().slice(0, 16));
  };
  it("is due at its time of day in its zone, over a change of the clocks too", () => {
    assert.deepEqual(due("daily_summary", "UTC", "2026-12-01T08:00:00Z"), [
      "2026-11-30T08:00",
      "2026-12-01T08:00",
    ]);
    assert.deepEqual(due("daily_summary", "UTC", "2026-12-01T07:59:59Z"), [
      "2026-11-29T08:00",
      "2026-11-30T08:00",
    ]);
    assert.deepEqual(due("daily_summary", "Asia/Kolkata", "2026-12-01T02:30:00Z"), [
      "2026-11-30T02:30",
      "2026-12-01T02:30",
    ]);
    assert.deepEqual(due("daily_summary", "Europe/Berlin", "2026-03-29T12:00:00Z"), [
      "2026-03-28T07:00",
      "2026-03-29T06:00",
    ]);
    assert.deepEqual(due("weekly_report", "America/New_York", "2026-12-02T00:00:00Z"), [
      "2026-11-24T13:00",
      "2026-12-01T13:00",
    ]);
  });
  it("puts its figures beside those of the period before", () => {
    const none = {
      completed: 0,
      deadLettered: 0,
      attemptsEnded: 0,
      attemptsFailed: 0,
      costMicros: 0,
      totalBuckets: [],
    };
    const period = {
      completed: 95,
      deadLettered: 5,
      attemptsEnded: 110,
      attemptsFailed: 11,
      costMicros: 9_500_000,
      totalBuckets: [0, 0, 0, 0, 0, 0, 0, 0, 95],
    };
    const lines = digestLines("daily_summary", {
      ...{ period, before: none, workflows: [], fired: [{ rule: "latency", times: 2 }], firing: [] },
      ...{ ticks: { expected: 288, ran: 287 }, waiting: 4, deadLetters: 5, dailyBudgetUsd: 500 },
    });
    assert.equal(
      lines[0],
      "95 tasks completed, 5 dead letters, 95 % success (the day before: no task ended)",
    );
    assert.equal(
      lines[1],
      "$9.50 spent, $0.1000 a task (the day before: $0.00 spent); the budget is $500.00 a day",
    );
    assert.ok(
      lines.includes("heartbeat: 99.7 % of 288 ticks in time") &&
        lines.includes("alerts that fired: latency × 2"),
    );
  });
});

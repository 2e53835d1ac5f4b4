/** Owns the proof of alerts: what holds fires once, whoever has to know is told, whatever fails meanwhile. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { AlertChannel, AlertDetail, AlertList, Digest, DigestList } from "@master-orchestrator/contract";
import { aMailbox, aReceiver, PAGERDUTY_KEY, WEBHOOK_SECRET } from "#test/alert-receivers.ts";
import { completeAtOnce } from "#test/fake-sub-workflow.ts";
import { openTestHouse, type TestHouse, type TestHouseOptions } from "#test/house.ts";

const SECOND = 1000;
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/** One rule alone, so that a test says what may fire. */
const busy = {
  kind: "threshold",
  metric: "queue_depth",
  at_least: 3,
  severity: "critical",
  clear_seconds: 0,
} as const;
const QUIET = {
  evaluate_every_seconds: 30,
  daily_summary: { enabled: false },
  weekly_report: { enabled: false },
};

async function watched(
  t: TestContext,
  alerts: object,
  more: Partial<TestHouseOptions> = {},
): Promise<TestHouse> {
  const policy = { alerts: { ...QUIET, rules: { busy }, ...alerts } } as TestHouseOptions["policy"] & object;
  const house = await openTestHouse(t, { workflows: { writer: {} }, policy, ...more });
  await house.api("POST", "/orchestrator/pause");
  return house;
}

async function channel(
  house: TestHouse,
  name: string,
  body: { kind: string; secret?: string; [more: string]: unknown },
): Promise<void> {
  const answer = await house.api("PUT", `/alerts/channels/${name}`, body);
  assert.equal(answer.status, 200, answer.text);
  assert.ok(!body.secret || !answer.text.includes(body.secret), answer.text);
}

async function alerts(house: TestHouse, query = "") {
  const answer = await house.api("GET", `/alerts${query}`);
  assert.equal(answer.status, 200, answer.text);
  return AlertList.parse(answer.body).alerts;
}

async function detail(house: TestHouse, alertId: string) {
  return AlertDetail.parse((await house.api("GET", `/alerts/${alertId}`)).body);
}

const three = [{ payload: { n: 1 } }, { payload: { n: 2 } }, { payload: { n: 3 } }];

async function drain(house: TestHouse): Promise<void> {
  house.workflow("writer").always(completeAtOnce);
  await house.api("POST", "/orchestrator/resume");
  await house.quiet();
}

test("a threshold: pending for its time, firing, one grouped message to each kind of channel, resolved", async (t) => {
  const mailbox = await aMailbox(t);
  const rules = {
    busy: { ...busy, for_seconds: 60, summary: "Look at the queue page." },
    busy_lane: { ...busy, metric: "lane_depth", at_least: 1, severity: "warning", for_seconds: 60 },
  };
  const env = { SMTP_URL: mailbox.url, ALERT_EMAIL_TO: "ada@example.org" };
  const house = await watched(t, { rules, group_by: ["none"] }, { env });
  const [slack, hook, pager] = await Promise.all(
    (["slack", "webhook", "pagerduty"] as const).map((kind) => aReceiver(t, kind, house.clock.nowMs)),
  );
  await channel(house, "chat", { kind: "slack", secret: slack!.url });
  await channel(house, "hook", { kind: "webhook", settings: { url: hook!.url }, secret: WEBHOOK_SECRET });
  await channel(house, "pager", {
    ...{
      kind: "pagerduty",
      settings: { url: pager!.url },
      secret: PAGERDUTY_KEY,
      least_severity: "critical",
    },
  });
  await house.enqueue(...three);
  await house.advance(30 * SECOND);
  assert.deepEqual(
    (await alerts(house)).map(({ state }) => state),
    ["pending", "pending"],
  );
  await house.advance(MINUTE);
  assert.deepEqual(
    (await alerts(house)).map(({ state }) => state),
    ["firing", "firing"],
  );
  assert.equal(slack!.received.length, 0, "the group is waited for");
  await house.advance(31 * SECOND);
  await house.until("the mail", () => mailbox.mails.length === 1);
  assert.match(mailbox.mails[0]!, /To: ada@example.org[\s\S]*Subject: \[critical\] 2 alerts/);
  assert.match(slack!.received[0]!.body.text, /3 tasks wait \(3 and above\)[\s\S]*Look at the queue page/);
  const { headers, body, signed } = hook!.received[0]!;
  assert.deepEqual([signed, body.type, body.data.alerts.length], [true, "alert.firing", 2]);
  assert.equal(pager!.received.length, 1, "only what is critical");
  const [event] = pager!.received;
  assert.deepEqual([event!.body.routing_key, event!.body.event_action], [PAGERDUTY_KEY, "trigger"]);
  const metrics = await (await fetch(`${house.url}/metrics`)).text();
  assert.match(metrics, /orchestrator_alerts_firing\{severity="critical"\} 1/);
  const overview = (await house.api("GET", "/overview")).body;
  assert.match(overview.verdict.causes.at(-1).words, /2 alerts fire: busy \(3 tasks wait/);
  await drain(house);
  await house.advance(MINUTE + SECOND);
  await house.until("the second mail", () => mailbox.mails.length === 2);
  assert.deepEqual([slack!.received.length, hook!.received.length, pager!.received.length], [2, 2, 2]);
  assert.match(slack!.received[1]!.body.text, /^\*\[resolved, critical\]/);
  assert.notEqual(hook!.received[1]!.headers["webhook-id"], headers["webhook-id"]);
  assert.deepEqual(
    [pager!.received[1]!.body.event_action, pager!.received[1]!.body.dedup_key],
    ["resolve", event!.body.dedup_key],
  );
  const [last] = await alerts(house, "?state=resolved&rule=busy");
  const shown = await detail(house, last!.alert_id);
  assert.deepEqual(
    shown.transitions.map(({ to }) => to),
    ["pending", "firing", "resolved"],
  );
  assert.deepEqual([...new Set(shown.notifications.map(({ state }) => state))], ["delivered"]);
  assert.ok(!JSON.stringify(house.logged).includes("secret-path"));
});

test("who acknowledges an alert here acknowledges it at PagerDuty, and nobody else is bothered", async (t) => {
  const house = await watched(t, { rules: { busy }, group_wait_seconds: 0 });
  const [pager, hook] = await Promise.all([
    aReceiver(t, "pagerduty", house.clock.nowMs),
    aReceiver(t, "webhook", house.clock.nowMs),
  ]);
  await channel(house, "pager", {
    ...{ kind: "pagerduty", settings: { url: pager.url }, secret: PAGERDUTY_KEY },
  });
  await channel(house, "hook", { kind: "webhook", settings: { url: hook.url } });
  await house.enqueue(...three);
  await house.advance(2 * MINUTE);
  const { alert_id } = (await alerts(house))[0]!;
  await house.api("POST", `/alerts/${alert_id}/acknowledge`, { note: "on it" });
  await house.api("POST", `/alerts/${alert_id}/acknowledge`, {});
  await house.advance(MINUTE);
  const events = pager.received.map(({ body }) => [body.event_action, body.dedup_key]);
  const key = `orchestrator-${alert_id}`;
  assert.deepEqual(events, [
    ["trigger", key],
    ["acknowledge", key],
  ]);
  assert.equal(hook.received.length, 1);
});

test("a receiver that fails or lies is retried with pauses, reported by another, and gets each message once it is well", async (t) => {
  const rules = { busy, channel_failing: { ...busy, metric: "channel_failures" } };
  const house = await watched(t, { rules, group_wait_seconds: 0 });
  const [bad, good] = await Promise.all([
    aReceiver(t, "slack", house.clock.nowMs),
    aReceiver(t, "webhook", house.clock.nowMs),
  ]);
  bad.says({ status: 200, body: "no_service the-secret-path" });
  await channel(house, "bad", { kind: "slack", secret: bad.url });
  await channel(house, "good", { kind: "webhook", settings: { url: good.url } });
  await house.enqueue(...three);
  await house.advance(90 * SECOND);
  const failing = AlertChannel.parse((await house.api("GET", "/alerts/channels/bad")).body);
  assert.ok(failing.failures_in_row >= 3 && failing.waiting >= 1);
  assert.equal(failing.last_error, 'it answered 200, but not "ok": "no_service ***"');
  const reported = good.received.map(({ body }) => body.data.title);
  assert.match(reported[1], /channel_failing: 3 messages in a row could not be delivered to channel bad/);
  const triedBefore = bad.received.length;
  assert.ok(triedBefore <= 5 && triedBefore >= 3, `${triedBefore} tries in 90 s`);
  for (const status of [302, 500]) {
    bad.says({ status, body: "ok", location: "https://example.org/" });
    const tested = (await house.api("POST", "/alerts/channels/bad/test")).body;
    assert.deepEqual([tested.ok, tested.detail.startsWith(`it answered ${status}`)], [false, true]);
  }
  bad.says(null);
  await house.advance(2 * MINUTE);
  assert.equal((await house.api("GET", "/alerts/channels/bad")).body.waiting, 0);
  const texts = bad.received.map(({ body }) => body.text as string).filter((text) => !text.includes("test"));
  assert.equal(new Set(texts).size, 1, "only the one message, again and again");
  const taken = bad.received.length;
  assert.match(good.received.at(-1)!.body.data.title, /^\[resolved, critical\] channel_failing/);
  await house.advance(MINUTE);
  assert.equal(bad.received.length, taken, "what was taken is not sent again");
});

test("a refused message is given up after three tries, and a page or an error in a 200 is no delivery", async (t) => {
  const house = await watched(t, { group_wait_seconds: 0, remind_hours: 0 });
  const hook = await aReceiver(t, "webhook", house.clock.nowMs);
  await channel(house, "hook", { kind: "webhook", settings: { url: hook.url }, secret: WEBHOOK_SECRET });
  const tested = async () => (await house.api("POST", "/alerts/channels/hook/test")).body;
  assert.deepEqual(await tested(), { ok: true, detail: "it answered 204" });
  assert.equal(hook.received[0]!.signed, true);
  hook.says({ status: 200, type: "text/html", body: "<html>starting</html>" });
  assert.match((await tested()).detail, /web page/);
  hook.says({ status: 200, type: "application/json", body: '{"ok": false, "error": "no such topic"}' });
  assert.match((await tested()).detail, /says that it failed: .*no such topic/);
  hook.says({ status: 400, body: "bad fields" });
  await house.enqueue(...three);
  await house.advance(90 * SECOND);
  const [firing] = await alerts(house, "?state=open");
  const { notifications } = await detail(house, firing!.alert_id);
  assert.deepEqual(
    notifications.map(({ state, tries }) => [state, tries]),
    [["failed", 3]],
  );
});

test("silenced, nobody is told; when the silence ends, what still fires is told; a silence in the past is refused", async (t) => {
  const house = await watched(t, { group_wait_seconds: 0 });
  const hook = await aReceiver(t, "webhook", house.clock.nowMs);
  await channel(house, "hook", { kind: "webhook", settings: { url: hook.url } });
  const at = (ms: number) => new Date(house.clock.nowMs() + ms).toISOString();
  const silence = (over: object) =>
    house.api("POST", "/alerts/silences", {
      match: { rule: "busy" },
      comment: "we know",
      ends_at: at(HOUR),
      ...over,
    });
  for (const [over, words] of [
    [{ ends_at: at(-MINUTE) }, /is in the past: it is 2026/],
    [{ starts_at: at(-HOUR) }, /starts_at.*is in the past/],
    [{ ends_at: at(400 * 24 * HOUR) }, /within 366 days/],
    [{ match: {} }, /a silence about everything is no silence/],
  ] as const) {
    const refused = await silence(over);
    assert.equal(refused.status, 422);
    assert.match(refused.body.detail, words);
  }
  const made = await silence({});
  assert.equal(made.status, 201, made.text);
  await house.enqueue(...three);
  await house.advance(MINUTE);
  const [open] = await alerts(house);
  assert.deepEqual(
    [open!.state, open!.silenced_by, hook.received.length],
    ["firing", made.body.silence_id, 0],
  );
  const listed = (await house.api("GET", "/alerts/silences")).body.silences;
  assert.deepEqual([listed.length, listed[0].matches], [1, 1]);
  assert.equal((await house.api("DELETE", `/alerts/silences/${made.body.silence_id}`)).body.state, "ended");
  await house.advance(MINUTE);
  assert.equal(hook.received.length, 1);
});

test("unacknowledged, it is escalated step by step and told again; acknowledged, it is not", async (t) => {
  const house = await watched(t, { group_wait_seconds: 0, remind_hours: 0.02 });
  const [first, boss] = await Promise.all([
    aReceiver(t, "webhook", house.clock.nowMs),
    aReceiver(t, "webhook", house.clock.nowMs),
  ]);
  await channel(house, "first", { kind: "webhook", settings: { url: first.url } });
  await channel(house, "boss", { kind: "webhook", settings: { url: boss.url }, alerts: false });
  const put = (escalation: object[]) => house.api("PUT", "/policy", { policy: { alerts: { escalation } } });
  const unknown = await put([{ after_minutes: 10, channels: ["bos"] }]);
  assert.match(unknown.body.detail, /there is no channel "bos"; did you mean "boss"/);
  assert.equal((await put([{ after_minutes: 1, channels: ["boss"] }])).status, 200);
  await house.enqueue(...three);
  await house.advance(45 * SECOND);
  assert.deepEqual([first.received.length, boss.received.length], [1, 0]);
  await house.advance(MINUTE);
  assert.match(boss.received[0]!.body.data.title, /^\[escalated, critical\] busy/);
  await house.advance(90 * SECOND);
  assert.match(first.received[1]!.body.data.title, /^\[still firing, critical\] busy/);
  const [open] = await alerts(house);
  const acknowledged = await house.api("POST", `/alerts/${open!.alert_id}/acknowledge`, { note: "on it" });
  assert.deepEqual(
    [acknowledged.status, acknowledged.body.note, acknowledged.body.escalations],
    [200, "on it", 1],
  );
  await house.advance(100 * SECOND);
  assert.deepEqual([first.received.length, boss.received.length], [2, 1]);
  await drain(house);
  await house.advance(45 * SECOND);
  assert.match(boss.received[1]!.body.data.title, /^\[resolved/, "whoever was told is told that it is over");
  const late = await house.api("POST", `/alerts/${open!.alert_id}/acknowledge`);
  assert.deepEqual([late.status, late.body.code], [409, "conflict"]);
});

test("two replicas, one of which is killed while it delivers: one alert, and no message twice but the one in its hands", async (t) => {
  const house = await watched(t, { group_wait_seconds: 0 });
  const hook = await aReceiver(t, "webhook", house.clock.nowMs);
  await channel(house, "hook", { kind: "webhook", settings: { url: hook.url } });
  const other = await house.replica();
  await house.enqueue(...three);
  await house.advance(MINUTE);
  assert.deepEqual([(await alerts(house)).length, hook.received.length], [1, 1]);
  await house.db.query(
    `update alert_notifications set state = 'waiting', delivered_at = null, tries = 1,
            taken_until = orchestrator_now() + interval '60 seconds'`,
  );
  await other.kill();
  await house.advance(30 * SECOND);
  assert.equal(hook.received.length, 1, "somebody may still be delivering it");
  await house.advance(MINUTE);
  const ids = hook.received.map(({ headers }) => headers["webhook-id"]);
  assert.deepEqual([ids.length, new Set(ids).size], [2, 1]);
});

test("a daily summary is made once, sent to whom wants it, and read by the API", async (t) => {
  const policy = { daily_summary: { at: "10:00" }, time_zone: "Europe/Berlin", rules: {} };
  const house = await watched(t, policy, { startMs: Date.UTC(2026, 2, 2, 8, 58, 30) });
  const hook = await aReceiver(t, "webhook", house.clock.nowMs);
  await channel(house, "hook", { kind: "webhook", settings: { url: hook.url }, daily_summary: true });
  await house.enqueue(...three);
  await drain(house);
  await house.advance(150 * SECOND);
  const { digests } = DigestList.parse((await house.api("GET", "/alerts/digests?kind=daily_summary")).body);
  assert.equal(digests.length, 1);
  const [{ title, lines, to, digest_id: id }] = digests as [Digest];
  assert.equal(to, "2026-03-02T09:00:00.000Z");
  assert.equal(title, "Daily summary, 2026-03-02: 3 tasks completed, $0.00 spent");
  assert.match(
    lines[0]!,
    /^3 tasks completed, 0 dead letters, 100 % success \(the day before: no task ended\)/,
  );
  assert.deepEqual(
    hook.received.map(({ body }) => [body.type, body.data.title]),
    [["orchestrator.daily_summary", title]],
  );
  assert.equal(Digest.parse((await house.api("GET", `/alerts/digests/${id}`)).body).figures.waiting, 0);
});

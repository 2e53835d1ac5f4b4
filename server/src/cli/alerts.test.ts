/** Alerts on the command line: what fires is listed and shown, acted upon, silenced; a channel that fails exits with 1. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { command, startStub, taskId } from "./stub-api.ts";

const at = "2026-12-01T08:59:30Z";
const alert = {
  ...{
    alert_id: taskId(1),
    rule: "queue_500",
    labels: { lane: "x\u001b[2J" },
    severity: "warning",
    state: "firing",
  },
  ...{ value: 612, words: "612 tasks wait", summary: null, started_at: at, fired_at: at, resolved_at: null },
  ...{ resolved_reason: null, acknowledged_at: null, acknowledged_by: null, note: null, silenced_by: null },
  ...{ told_at: at, escalations: 0, no_data_since: null },
};
const detail = {
  ...alert,
  transitions: [{ at, to: "firing", reason: "612 tasks wait", actor: "orchestrator", value: 612 }],
  notifications: [
    {
      ...{
        notification_id: taskId(2),
        channel: "chat",
        kind: "firing",
        state: "waiting",
        tries: 3,
        due_at: at,
      },
      ...{ delivered_at: null, last_error: "it answered 500" },
    },
  ],
};
const silence = { silence_id: taskId(3), state: "active", ends_at: "2026-12-01T11:00:00.000Z" };

test("alerts are listed, shown, acknowledged and silenced; a channel that cannot be reached is told", async (t) => {
  const bodies: Record<string, unknown> = {
    "/api/v1/alerts": { alerts: [alert], next_cursor: null },
    [`/api/v1/alerts/${taskId(1)}`]: detail,
    [`/api/v1/alerts/${taskId(1)}/acknowledge`]: { ...alert, acknowledged_at: at },
    "/api/v1/alerts/silences": silence,
    "/api/v1/alerts/channels/chat/test": { ok: false, detail: "it answered 404" },
    "/api/v1/alerts/rules": {
      ...{ evaluated_at: at, next_cursor: null },
      rules: [
        {
          ...{ rule: "queue_500", state: "firing", subjects: 1, words: "612 tasks wait" },
          definition: { kind: "threshold", severity: "warning" },
        },
      ],
    },
  };
  const stub = await startStub(t, ({ path }) => ({ body: bodies[path] }));
  const lines: [line: string, text: RegExp, code: number][] = [
    ["alerts --state open", /warning\s+firing\s+30s ago\s+queue_500\s+612 tasks wait/, 0],
    [
      `alerts show ${taskId(1)}`,
      /firing: 612 tasks wait \(orch[\s\S]*chat firing: waiting, 3 tries: it answered 500/,
      0,
    ],
    [`alerts acknowledge ${taskId(1)} --note soon`, /^queue_500: firing, acknowledged/, 0],
    ["alerts silences add --rule queue_500 --label a=b c=d --until 2h --comment known", /silent until/, 0],
    ["alerts rules", /queue_500\s+threshold\s+warning\s+firing\s+612/, 0],
    ["alerts channels test chat", /^failed: it answered 404/, 1],
    ["alerts silences add --label nonsense --comment x", /^$/, 2],
  ];
  for (const [line, text, code] of lines) {
    const outcome = await command(t, stub.url, line.split(" "));
    assert.match(outcome.stdout, text, line);
    assert.equal(outcome.code, code, line);
    assert.ok(!outcome.stdout.includes("\u001b[2J"), "the terminal's cursor is not moved");
  }
  assert.equal(stub.requests[0]!.query.state, "open");
  assert.deepEqual(stub.requests[2]!.body, { note: "soon" });
  assert.deepEqual(stub.requests[3]!.body, {
    match: { rule: "queue_500", labels: { a: "b", c: "d" } },
    ...{ ends_at: "2026-12-01T11:00:00.000Z", comment: "known" },
  });
});

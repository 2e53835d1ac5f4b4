/** Owns the commands about the orchestrator itself: status, pause, resume, tick, queue, cycles. Never decides. */
import type { Cycle, CycleList, Orchestrator, Queue, TickAnswer } from "@master-orchestrator/contract";
import type { Command } from "commander";
import type { z } from "zod";
import { path } from "./api.ts";
import { printFields, printValue } from "./details.ts";
import { oneOf } from "./failure.ts";
import { addGroup, addListing, fetchList, showList, timeRange, withPaging } from "./list.ts";
import { type Options, type Session, type Shell, withAction } from "./session.ts";
import { ago, duration, plain } from "./text.ts";

type State = z.infer<typeof Orchestrator>;
type CycleRow = z.infer<typeof CycleList>["cycles"][number];
type Lane = z.infer<typeof Queue>["lanes"][number];

/** Registers the commands. */
export function addControl(program: Command, shell: Shell): void {
  withAction(program.command("status").description("how the orchestrator stands"), shell, async (session) => {
    const state = await session.api<State>("GET", "/api/v1/orchestrator");
    session.show(state, () => renderState(session, state));
    return undefined;
  });
  for (const [name, description] of [
    ["pause", "admit nothing more; what runs goes on"],
    ["resume", "admit again"],
  ] as const) {
    withAction(program.command(name).description(description), shell, async (session) => {
      const answer = await session.api<Partial<State> | null>("POST", `/api/v1/orchestrator/${name}`);
      session.show(answer, () => session.screen.line(name === "pause" ? "paused" : "resumed"));
      return undefined;
    });
  }
  withAction(
    program.command("tick").description("decide now, without waiting for the clock"),
    shell,
    async (session) => {
      const answer = await session.api<z.infer<typeof TickAnswer>>("POST", "/api/v1/orchestrator/tick");
      const cycle = answer?.cycle_id
        ? `cycle ${plain(answer.cycle_id)}`
        : "the cycle had nothing to change, and is not kept";
      session.show(answer, () => session.screen.line(cycle));
      return undefined;
    },
  );
  withAction(
    program.command("queue").description("depth, age, throughput and share of every lane"),
    shell,
    queue,
  );
  addCycles(program, shell);
}

function renderState({ screen, terminal }: Session, state: State): void {
  const now = terminal.now();
  const tick = state.last_tick;
  printFields(screen, {
    state: state.paused
      ? screen.paint("yellow", plain(`paused by ${state.paused_by ?? "nobody known"}; ${state.state}`))
      : plain(state.state),
    running: state.running,
    waiting: state.waiting,
    "last tick": tick ? `${ago(tick.ran_at, now)}, ${tick.drift_ms} ms after its time` : "none yet",
    "next tick": ago(state.next_tick, now),
    version: plain(state.version),
  });
  for (const { procedure, subject, state: stands } of state.recoveries) {
    screen.line(screen.paint("yellow", plain(`recovery: ${procedure} of ${subject} (${stands})`)));
  }
  screen.line();
  screen.table(
    [
      { title: "REPLICA", value: (each) => each.replica_id },
      { title: "STARTED", value: (each) => ago(each.started_at, now) },
      { title: "SEEN", value: (each) => ago(each.seen_at, now) },
      { title: "MEMORY", value: (each) => (each.rss_mb === null ? null : `${each.rss_mb} MB`), right: true },
      {
        title: "LOOP DELAY",
        value: (each) => (each.event_loop_delay_ms === null ? null : `${each.event_loop_delay_ms} ms`),
        right: true,
      },
      {
        title: "CONNECTIONS",
        value: ({ connections: c }) => (c === null ? null : `${c.in_use} of ${c.open}, ${c.waiting} waiting`),
      },
    ],
    state.replicas,
    "no replica",
  );
}

async function queue(session: Session): Promise<undefined> {
  const answer = await session.api<z.infer<typeof Queue>>("GET", "/api/v1/queue");
  session.show(answer, () => {
    const oldest = age(answer.oldest_age_seconds);
    session.screen.line(`${answer.depth} waiting${oldest === "-" ? "" : `, the oldest for ${oldest}`}`);
    session.screen.line();
    session.screen.table<Lane>(
      [
        { title: "LANE", value: (lane) => lane.lane, shrinks: true },
        { title: "WAITING", value: (lane) => `${lane.depth}${lane.depth_at_least ? "+" : ""}`, right: true },
        { title: "LATER", value: (lane) => lane.scheduled, right: true },
        { title: "RETRY", value: (lane) => lane.retrying, right: true },
        { title: "RUNNING", value: (lane) => lane.running, right: true },
        { title: "OLDEST", value: (lane) => age(lane.oldest_age_seconds), right: true },
        { title: "DONE/H", value: (lane) => lane.completed_last_hour, right: true },
        { title: "SHARE", value: (lane) => percent(lane.share), right: true },
        { title: "DUE", value: (lane) => percent(lane.entitled_share), right: true },
        { title: "NEXT", value: (lane) => ago(lane.hold?.expected_start, session.terminal.now()) },
        { title: "AT MOST", value: latest, right: true },
        { title: "HELD BY", value: (lane) => lane.hold?.cause ?? null, shrinks: true },
      ],
      answer.lanes,
      "no lanes",
    );
  });
}

/** The bound for a task of the usual priority, in time. */
function latest(lane: Lane): string {
  const usual = lane.bounds.find((one) => one.priority === 50)?.bound.starts_within_seconds;
  return usual === undefined || usual === null ? "-" : duration(usual * 1000);
}

function percent(share: number | null): string {
  return share === null ? "-" : `${Math.round(share * 100)}%`;
}

function age(seconds: number | null): string {
  return seconds === null ? "-" : duration(seconds * 1000);
}

function addCycles(program: Command, shell: Shell): void {
  const group = addGroup(program, "cycles", "what was decided, cycle by cycle");
  withPaging(addListing(group, shell, "search cycles, the latest first", listCycles))
    .option("--trigger <trigger>", "tick or wake")
    .option("--lane <lane>", "that held or decided something of workflow_type/content_type")
    .option("--workflow <type>", "that held or decided something of a workflow")
    .option("--reason <reason>", "of a hold or a decision, e.g. concurrency_total")
    .option("--text <words>", "with these words in what was decided or held")
    .option("--from <time>", "at or after (2026-12-01, 7d)")
    .option("--to <time>", "before");
  withAction(
    group.command("show").description("snapshot, decisions and reasons of one cycle").argument("<cycle-id>"),
    shell,
    async (session, [id]) => {
      const cycle = await session.api<z.infer<typeof Cycle>>("GET", path`/api/v1/cycles/${id!}`);
      session.show(cycle, () => renderCycle(session, cycle));
      return undefined;
    },
  );
}

async function listCycles(session: Session, _args: string[], options: Options): Promise<undefined> {
  const now = session.terminal.now();
  const trigger = options.trigger as string | undefined;
  const text = (name: string) => options[name] as string | undefined;
  const query = {
    trigger: trigger === undefined ? undefined : oneOf("trigger", ["tick", "wake"], trigger),
    ...{ lane: text("lane"), workflow_type: text("workflow"), reason: text("reason"), text: text("text") },
    ...timeRange(options, now),
  };
  const cycles = await fetchList<CycleRow>(session, "/api/v1/cycles", "cycles", query, options);
  const layout = [
    { title: "CYCLE", value: (each: CycleRow) => each.cycle_id },
    { title: "TRIGGER", value: (each: CycleRow) => each.trigger },
    { title: "STARTED", value: (each: CycleRow) => ago(each.started_at, now) },
    { title: "DRIFT", value: (each: CycleRow) => ms(each.drift_ms), right: true },
    { title: "TOOK", value: (each: CycleRow) => ms(each.duration_ms), right: true },
    { title: "SENT", value: (each: CycleRow) => each.dispatched, right: true },
    { title: "HELD", value: (each: CycleRow) => each.held, right: true },
    { title: "POLICY", value: (each: CycleRow) => each.policy_version, right: true },
  ];
  showList(session, cycles, layout, "no cycles");
}

function ms(value: number | null): string {
  return value === null ? "-" : `${Math.round(value)} ms`;
}

function renderCycle({ screen, terminal }: Session, cycle: z.infer<typeof Cycle>): void {
  printFields(screen, {
    cycle: plain(cycle.cycle_id),
    trigger: plain(cycle.trigger),
    started: ago(cycle.started_at, terminal.now()),
    took: ms(cycle.duration_ms),
    drift: cycle.drift_ms === null ? null : ms(cycle.drift_ms),
    dispatched: cycle.dispatched,
    held: cycle.held,
    policy: `version ${cycle.policy_version}`,
  });
  if (cycle.reasons.length > 0) {
    screen.line();
    screen.table(
      [
        { title: "LANE", value: (each) => each.lane, shrinks: true },
        { title: "HELD", value: (each) => each.tasks, right: true },
        { title: "REASON", value: (each) => each.reason },
        { title: "CAUSE", value: (each) => each.cause, shrinks: true },
      ],
      cycle.reasons,
      "",
    );
  }
  printValue(screen, "decisions", cycle.decisions);
}

/** Owns `orchestrator workflows …`: showing and registering sub-workflows. Never shows a secret; the server hides them. */
import type { TargetShown, Workflow } from "@master-orchestrator/contract";
import type { Command } from "commander";
import type { z } from "zod";
import { path } from "./api.ts";
import { printFields, printValue } from "./details.ts";
import { readJsonFile } from "./json-file.ts";
import { addGroup, addListing } from "./list.ts";
import type { Screen } from "./screen.ts";
import { type Session, type Shell, withAction } from "./session.ts";
import { ago, duration, plain } from "./text.ts";

type Row = z.infer<typeof Workflow>;

/** Registers the group. */
export function addWorkflows(program: Command, shell: Shell): void {
  const group = addGroup(program, "workflows", "list, show and register sub-workflows");
  addListing(group, shell, "list sub-workflows", list);
  withAction(
    group.command("show").description("how one is registered").argument("<type>"),
    shell,
    async (session, [type]) => {
      const workflow = await session.api<Row>("GET", path`/api/v1/workflows/${type!}`);
      session.show(workflow, () => render(session, workflow));
      return undefined;
    },
  );
  withAction(
    group
      .command("set")
      .description("register a sub-workflow, or change it")
      .argument("<type>")
      .argument("<file>", "a JSON file with its settings, or -"),
    shell,
    async (session, [type, file]) => {
      const body = await readJsonFile(file!, session.terminal);
      const answer = await session.api<Row>("PUT", path`/api/v1/workflows/${type!}`, { body });
      session.show(answer, () => session.screen.line(`${plain(type)} is registered`));
      return undefined;
    },
  );
  addSwitch(group, shell, "pause", "dispatch no more of its tasks; what runs goes on");
  addSwitch(group, shell, "resume", "dispatch its tasks again");
}

function addSwitch(group: Command, shell: Shell, name: "pause" | "resume", description: string): void {
  withAction(
    group.command(name).description(description).argument("<type>"),
    shell,
    async (session, [type]) => {
      const answer = await session.api<Row>("POST", `${path`/api/v1/workflows/${type!}`}/${name}`);
      session.show(answer, () => session.screen.line(`${plain(type)} is ${name}d`));
      return undefined;
    },
  );
}

async function list(session: Session): Promise<undefined> {
  const now = session.terminal.now();
  const answer = await session.api<{ workflows: Row[] }>("GET", "/api/v1/workflows");
  session.show(answer, () =>
    session.screen.table<Row>(
      [
        { title: "WORKFLOW", value: (each) => each.workflow_type },
        { title: "BUILT IN", value: (each) => (each.built_in ? "yes" : "no") },
        { title: "STATE", value: (each) => (each.settings.paused === true ? "paused" : "on") },
        { title: "AT ONCE", value: (each) => each.settings.max_concurrent, right: true },
        { title: "CHANGED", value: (each) => ago(each.updated_at, now) },
        { title: "TARGET", value: target, shrinks: true },
      ],
      answer.workflows,
      "no workflows",
    ),
  );
}

function target({ settings, targets: shown }: Row): unknown {
  if (shown?.length > 1) return shown.map(({ name, state }) => `${name} (${state})`).join(" ");
  const targets = settings.targets as { webhook_url?: string }[] | undefined;
  return settings.webhook_url ?? targets?.map((each) => each.webhook_url).join(" ") ?? null;
}

function render({ screen, terminal }: Session, workflow: Row): void {
  const now = terminal.now();
  printFields(screen, {
    workflow: plain(workflow.workflow_type),
    "built in": workflow.built_in ? "yes" : "no",
    changed: `${ago(workflow.updated_at, now)} by ${plain(workflow.updated_by)}`,
    ...scheduleFields(workflow.schedule_state, now),
    ...adaptedFields(workflow.adapted, now),
  });
  printTargets(screen, workflow.targets ?? [], now);
  printValue(screen, "settings", workflow.settings);
}

function printTargets(screen: Screen, targets: readonly TargetShown[], now: number): void {
  if (targets.length === 0) return;
  const percent = (share: number | null) => (share === null ? "-" : `${(share * 100).toFixed(0)} %`);
  screen.line();
  screen.line(screen.paint("bold", "targets"));
  screen.table<TargetShown>(
    [
      { title: "TARGET", value: ({ name }) => name, shrinks: true },
      { title: "STATE", value: ({ state }) => state },
      { title: "RUNS", value: ({ outstanding }) => outstanding, right: true },
      { title: "SHARE", value: ({ received_share }) => percent(received_share), right: true },
      { title: "ENTITLED", value: ({ entitled_share }) => percent(entitled_share), right: true },
      { title: "ROOM", value: ({ room }) => percent(room), right: true },
      { title: "IN A ROW", value: ({ failures_in_row }) => failures_in_row, right: true },
      { title: "SUCCESS", value: ({ last_success_at }) => ago(last_success_at, now) },
      { title: "FAILURE", value: ({ last_failure_at }) => ago(last_failure_at, now) },
      { title: "BACK", value: ({ next_probe_at, rests_until }) => ago(next_probe_at ?? rests_until, now) },
      { title: "LAST FAILURE", value: ({ last_failure }) => last_failure, shrinks: true },
    ],
    targets,
    "",
  );
}

function scheduleFields(
  state: Row["schedule_state"] | undefined,
  now: number,
): Record<string, string | null> {
  if (!state) return {};
  const said = [state.last_decision, state.cause].filter(Boolean).join(": ");
  return {
    "last slot": state.last_slot ? `${state.last_slot} (${ago(state.last_slot, now)})` : "none yet",
    decided: plain(said),
    "next slot": `${state.next_slot} (${ago(state.next_slot, now)})`,
  };
}

/** Nothing while everything is as it is set. */
function adaptedFields(adapted: Row["adapted"] | undefined, now: number): Record<string, string | null> {
  if (!adapted || adapted.slowness === 0) return {};
  const { slowness, batch_max, every_seconds, per_slot, reason, since } = adapted;
  const parts = [
    `batches of ${batch_max} at most`,
    ...(every_seconds === null ? [] : [`a run every ${duration(every_seconds * 1000)}`]),
    ...(per_slot === null ? [] : [`${per_slot} tasks a slot`]),
  ];
  return {
    "slowed down": `${(slowness * 100).toFixed(0)} %, since ${ago(since, now)}: ${parts.join(", ")}`,
    because: plain(reason),
  };
}

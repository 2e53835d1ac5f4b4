/** Migrations on the wire: a workflow on its way out of n8n's clocks, by phases, in shadow, by share, and in full. */
import { z } from "zod";
import { NextCursor, NoBody, PageQuery, Timestamp, Usd, Uuid, WorkflowType } from "./primitives.ts";

/** As n8n gives them: letters and digits in 2.x, digits in old ones. */
export const N8nId = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, "must be the id of a workflow in n8n");

/**
 * 0: as it was; 1: behind a lock (mutex); 2: started by the orchestrator (basic); 3: its models through the gateway, under
 * the governor; 4: as 3, and the old triggers are gone.
 */
export const MIGRATION_PHASES = [0, 1, 2, 3, 4] as const;
export const MigrationPhase = z.int().min(0).max(4).meta({
  description:
    "0 as it was, 1 behind a lock, 2 started by the orchestrator, 3 models through the gateway, 4 old triggers gone",
});
export type MigrationPhase = z.infer<typeof MigrationPhase>;

/** How far a phase is in force: only thought through, for a share of the runs, for all of them. */
export const MIGRATION_MODES = ["shadow", "share", "full"] as const;
export const MigrationMode = z.enum(MIGRATION_MODES);
export type MigrationMode = z.infer<typeof MigrationMode>;

/**
 * `steady`: what n8n runs is what this says. `changing`: n8n is being changed, or will be when it answers. `edited`: somebody
 * changed the workflow in n8n; nothing of ours is written until that is resolved. `rollback_pending`: the original goes back
 * as soon as n8n answers. `rolled_back`: it is back; advancing begins anew. `blocked`: n8n refuses, and a person has to look.
 */
export const MIGRATION_STATES = [
  "steady",
  "changing",
  "edited",
  "rollback_pending",
  "rolled_back",
  "blocked",
] as const;
export const MigrationState = z.enum(MIGRATION_STATES);
export type MigrationState = z.infer<typeof MigrationState>;

export const MIGRATION_GATES = ["stability", "throughput", "latency", "success", "cost"] as const;
/** `waiting`: too few runs to say. `not_measured`: there is nothing to compare with; it holds nobody up. */
export const GATE_VERDICTS = ["holds", "waiting", "breached", "not_measured"] as const;
export type GateVerdict = (typeof GATE_VERDICTS)[number];

export const MigrationGate = z
  .object({
    gate: z.enum(MIGRATION_GATES),
    unit: z.enum(["share", "runs_per_day", "seconds", "usd_per_run"]).meta({
      description:
        "stability: share of due runs that ran once and came to an end; throughput: runs_per_day that ended; latency: 95th percentile in seconds; success: share; cost: usd_per_run",
    }),
    baseline: z.number().nullable().meta({ description: "Before the phase; null: nobody knows" }),
    now: z.number().nullable().meta({ description: "Since the phase is in force" }),
    limit: z.number().nullable().meta({ description: "What `now` may not pass" }),
    runs: z.int().meta({ description: "On how many runs `now` stands" }),
    runs_needed: z.int(),
    verdict: z.enum(GATE_VERDICTS),
    cause: z.string().meta({ description: "The verdict in words, with the numbers" }),
  })
  .meta({ id: "MigrationGate" });
export type MigrationGate = z.infer<typeof MigrationGate>;

const Share = z.number().min(0).max(1);
/** How much worse a phase may be than what was before it. */
export const GateSettings = z
  .strictObject({
    min_runs: z.int().min(1).max(10_000).default(20).meta({ description: "Before a gate can hold" }),
    baseline_hours: z.number().min(0.01).max(720).default(168).meta({
      description: "How far back n8n's executions make the baseline",
    }),
    stability_drop: Share.default(0.02),
    throughput_share: Share.default(0.9),
    latency_factor: z.number().min(1).max(100).default(1.5),
    latency_slack_seconds: z.number().min(0).max(3600).default(5).meta({
      description: "On top of the factor: two short runs differ by chance",
    }),
    success_drop: Share.default(0.05),
    cost_factor: z.number().min(1).max(100).default(1.2),
  })
  .prefault({})
  .meta({ id: "GateSettings" });
export type GateSettings = z.infer<typeof GateSettings>;

/** The runs of the time since the phase is as far in force as it is, counted from both sides. */
export const MigrationRuns = z
  .object({
    due: z.int().meta({ description: "Moments of its schedule that have come" }),
    by_n8n: z.int(),
    by_orchestrator: z.int(),
    open: z.int().meta({ description: "Due, and not over yet" }),
    succeeded: z.int(),
    failed: z.int(),
    lost: z.int().meta({ description: "Due, and nobody ran it" }),
    doubled: z.int().meta({ description: "Ran more than once" }),
  })
  .meta({ id: "MigrationRuns" });
export type MigrationRuns = z.infer<typeof MigrationRuns>;

/** One step on the way: what `advance` would do now. */
export const MigrationStep = z
  .object({ phase: MigrationPhase, mode: MigrationMode, share_percent: z.int().min(0).max(100) })
  .meta({ id: "MigrationStep" });
export type MigrationStep = z.infer<typeof MigrationStep>;

export const Migration = z
  .object({
    workflow_type: WorkflowType,
    n8n_workflow_id: z.string(),
    name: z.string().meta({ description: "In n8n" }),
    n8n_url: z.string().meta({ description: "Its page in n8n's editor" }),
    phase: MigrationPhase,
    mode: MigrationMode.meta({ description: "In phase 0 always full" }),
    share_percent: z.int().meta({ description: "Of runs by the phase: 0 in shadow, 100 in full" }),
    state: MigrationState,
    cause: z.string().nullable().meta({ description: "Why it is in this state, in words" }),
    edits: z.array(z.string()).meta({ description: "While edited: what was changed in n8n, by name" }),
    auto_advance: z.boolean(),
    lock: z.string().meta({ description: "Of phase 1; workflows with the same one exclude each other" }),
    schedules: z.array(z.string()).meta({ description: "In words, of the original" }),
    time_zone: z.string(),
    original: z
      .object({
        version: z.int().meta({ description: "Counts up when an edit in n8n was merged" }),
        sha256: z.string(),
        bytes: z.int(),
        kept_at: Timestamp,
      })
      .meta({ description: "GET …/original gives the bytes" }),
    deployed: z
      .object({
        form: z.enum(["original", "mutex", "basic", "gateway", "final"]),
        by_share: z.boolean().meta({ description: "Each firing asks whose turn it is" }),
        n8n_version_id: z.string().nullable(),
        at: Timestamp,
      })
      .meta({ description: "What n8n runs, as far as known" }),
    gates: z.array(MigrationGate).meta({ description: "Empty until a phase has begun" }),
    gates_at: Timestamp.nullable(),
    runs: MigrationRuns,
    next: MigrationStep.nullable().meta({ description: "The step that advance takes; null at the end" }),
    next_opens: z.boolean().meta({ description: "Whether the gates let it" }),
    next_cause: z.string().nullable().meta({ description: "Why it is not open" }),
    notes: z.array(z.string()).meta({ description: "What a person has to know or to do" }),
    since: Timestamp.meta({ description: "Of this phase, mode and share" }),
    retry_at: Timestamp.nullable().meta({ description: "When n8n is asked again" }),
    created_at: Timestamp,
    created_by: z.string(),
    updated_at: Timestamp,
  })
  .meta({ id: "Migration" });
export type Migration = z.infer<typeof Migration>;

export const N8nReachable = z
  .object({
    configured: z.boolean().meta({ description: "N8N_URL and N8N_API_KEY are set" }),
    url: z.string().nullable(),
    reachable: z.boolean().nullable().meta({ description: "Null until it was asked" }),
    error: z.string().nullable(),
    asked_at: Timestamp.nullable(),
  })
  .meta({ id: "N8nReachable" });

export const MigrationPath = z.strictObject({ workflow_type: WorkflowType });
export const MigrationListQuery = PageQuery;
export const MigrationList = z
  .object({ n8n: N8nReachable, migrations: z.array(Migration), next_cursor: NextCursor })
  .meta({ id: "MigrationList" });

export const StartMigration = z.strictObject({
  n8n_workflow_id: N8nId,
  workflow_type: WorkflowType.optional().meta({ description: "Made of its name when left out" }),
  lock: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9_.:-]{0,199}$/, "must be letters, digits and _ . : -, at most 200")
    .optional(),
  wait_seconds: z.int().min(0).max(300).optional().meta({ description: "In line for the lock" }),
  cost_usd_per_run: Usd.optional().meta({ description: "Before: n8n does not know it" }),
  auto_advance: z.boolean().default(false).meta({ description: "Takes the next step as soon as it opens" }),
  gates: GateSettings.optional(),
});
export type StartMigration = z.infer<typeof StartMigration>;

export const AdvanceMigration = z.strictObject({
  to: z
    .strictObject({
      phase: z.int().min(1).max(4),
      mode: MigrationMode.default("shadow"),
      share_percent: z.int().min(1).max(99).optional(),
    })
    .optional()
    .meta({
      description:
        "Another step forward than the next one, over shares or whole phases. A phase is entered by its shadow, from the one before in full; phase 3 stands on phase 2",
    }),
  force: z
    .boolean()
    .default(false)
    .meta({ description: "Also while gates are waiting; never over a breach" }),
});
export const SetMigrationShare = z.strictObject({ share_percent: z.int().min(1).max(99) });
export const RollBackMigration = z.strictObject({
  reason: z.string().min(1).max(500).optional(),
  force: z.boolean().default(false).meta({ description: "Drops what was edited in n8n meanwhile" }),
});
export const ResolveMigration = z.strictObject({
  take: z.enum(["merge", "ours"]).meta({
    description:
      "merge: the edit goes into the original, which gets a new version, and into what runs; ours: the edit is dropped",
  }),
});
export const MigrationChange = z.strictObject({
  auto_advance: z.boolean().optional(),
  gates: GateSettings.optional(),
  cost_usd_per_run: Usd.nullish(),
});
export const NoMigrationBody = NoBody;

export const MIGRATION_EVENTS = [
  "started",
  "baseline_recorded",
  "advanced",
  "share_set",
  "deployed",
  "gates_open",
  "gate_breached",
  "rollback_requested",
  "rolled_back",
  "edited",
  "merged",
  "edit_dropped",
  "n8n_unreachable",
  "n8n_back",
  "blocked",
  "settled_by_asking",
  "settings_changed",
] as const;
export const MigrationEvent = z
  .object({
    event_id: Uuid,
    at: Timestamp,
    event: z.enum(MIGRATION_EVENTS),
    phase: MigrationPhase,
    mode: MigrationMode,
    share_percent: z.int(),
    actor: z.string().meta({ description: "Who; `orchestrator`: by rule" }),
    cause: z.string(),
    gates: z.array(MigrationGate).nullable().meta({ description: "As they stood, where they decided" }),
  })
  .meta({ id: "MigrationEvent" });
export const MigrationHistory = z
  .object({ events: z.array(MigrationEvent), next_cursor: NextCursor })
  .meta({ id: "MigrationHistory", description: "Newest first" });

/** Who runs a moment of the schedule, and what became of it. */
export const MigrationRun = z
  .object({
    slot: Timestamp,
    by: z.enum(["n8n", "orchestrator", "nobody"]),
    way: z.enum(["before", "phase"]).meta({ description: "As before the phase, or by it" }),
    outcome: z.enum(["open", "succeeded", "failed", "cancelled", "lost", "skipped"]),
    n8n_execution_ids: z.array(z.string()),
    task_id: Uuid.nullable(),
    started_at: Timestamp.nullable(),
    ended_at: Timestamp.nullable(),
    cause: z.string(),
  })
  .meta({ id: "MigrationRun" });
export const MigrationRunList = z
  .object({ runs: z.array(MigrationRun), next_cursor: NextCursor })
  .meta({ id: "MigrationRunList", description: "Newest first" });

export const SHADOW_DIFFERENCES = [
  "none",
  "later",
  "missed_by_n8n",
  "twice_in_n8n",
  "not_scheduled",
  "held_back",
  "overlap_avoided",
  "late_in_n8n",
] as const;
export const ShadowDifference = z.enum(SHADOW_DIFFERENCES);
export type ShadowDifference = z.infer<typeof ShadowDifference>;

export const ShadowRun = z
  .object({
    slot: Timestamp,
    phase: MigrationPhase.meta({ description: "That was thought through" }),
    n8n: z
      .object({
        execution_id: z.string(),
        started_at: Timestamp,
        ended_at: Timestamp.nullable(),
        status: z.string(),
      })
      .nullable()
      .meta({ description: "What n8n did; null: nothing" }),
    orchestrator: z
      .object({
        would_start_at: Timestamp,
        hold: z
          .string()
          .nullable()
          .meta({ description: "The reason to wait, by the words of a task's hold; null: at once" }),
      })
      .nullable()
      .meta({ description: "What the orchestrator would have done; null: nothing" }),
    difference: ShadowDifference,
    explanation: z.string(),
  })
  .meta({ id: "ShadowRun" });
export type ShadowRun = z.infer<typeof ShadowRun>;
export const ShadowQuery = PageQuery.extend({
  difference: ShadowDifference.optional(),
});
export const ShadowRunList = z
  .object({
    summary: z
      .object({ runs: z.int(), by_difference: z.partialRecord(ShadowDifference, z.int()) })
      .meta({ description: "Of the whole shadow of this phase" }),
    shadow_runs: z.array(ShadowRun),
    next_cursor: NextCursor,
  })
  .meta({ id: "ShadowRunList", description: "Newest first" });

/** A firing of a workflow in n8n asks whose turn it is. */
export const TurnBody = z.strictObject({
  fired_at: Timestamp.meta({ description: "When n8n's trigger fired" }),
  n8n_execution_id: z.string().min(1).max(100),
});
export const Turn = z
  .object({
    slot: Timestamp,
    way: z.enum(["before", "phase", "skip"]).meta({
      description: "before: run it as before the phase; phase: by it; skip: it is taken care of",
    }),
    cause: z.string(),
  })
  .meta({ id: "Turn" });
export type Turn = z.infer<typeof Turn>;

/** What there is in n8n, and what each phase would say to it. */
export const N8nInventory = z
  .object({
    n8n: N8nReachable,
    workflows: z.array(
      z.object({
        n8n_workflow_id: z.string(),
        name: z.string(),
        workflow_type: WorkflowType.meta({ description: "That it would get" }),
        active: z.boolean(),
        schedules: z.array(z.string()),
        ai_nodes: z.int(),
        database_nodes: z.int(),
        obstacles: z
          .object({
            mutex: z.string().nullable(),
            basic: z.string().nullable(),
            gateway: z.string().nullable(),
          })
          .meta({ description: "By phase: null where it can be done, else why not" }),
        migration: WorkflowType.nullable().meta({ description: "Where it has one already" }),
      }),
    ),
  })
  .meta({ id: "N8nInventory" });

export const MigrationTarget = z
  .object({
    target: z.enum(["articles_per_day", "task_to_result_seconds", "success_share"]),
    wanted: z.number(),
    measured: z.number().nullable(),
    met: z.boolean().nullable().meta({ description: "Null: nothing was measured" }),
    measured_on: z.int().meta({ description: "How many tasks, or days" }),
    cause: z.string(),
  })
  .meta({ id: "MigrationTarget" });
export const MigrationReportQuery = z.strictObject({
  days: z.coerce.number().int().min(1).max(30).default(7).meta({ description: "Back from now" }),
});
export const MigrationReport = z
  .object({
    from: Timestamp,
    to: Timestamp,
    targets: z.array(MigrationTarget).meta({ description: "500 articles a day, under 2 minutes, over 95 %" }),
    workflows: z.array(
      z.object({
        workflow_type: WorkflowType,
        name: z.string(),
        phase: MigrationPhase,
        mode: MigrationMode,
        state: MigrationState,
        gates: z.array(MigrationGate),
        runs: MigrationRuns,
      }),
    ),
  })
  .meta({ id: "MigrationReport" });

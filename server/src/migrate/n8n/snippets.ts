/** Owns the JavaScript of the Code nodes that a transformer adds. It runs within n8n, never here. */
import { NAMES } from "./parts.ts";

const literal = (value: unknown) => JSON.stringify(value);

/**
 * What the work is given: the fields of a Schedule Trigger, so that what relied on them goes on, and the order
 * under `orchestrator`. Never the headers or the token of the message.
 */
export const INPUT_CODE = `// Made by the Master Orchestrator: what a Schedule Trigger would have given, and the order itself.
// A node that breaks passes on what it was given, as if it had gone well: only a claim that was granted counts.
if ($input.first().json.claimed !== true) return [];
const message = $(${literal(NAMES.start)}).first().json.body;
const format = (pattern) => $now.toFormat(pattern);
return [{
  json: {
    timestamp: $now.toISO(),
    'Readable date': format('MMMM d, yyyy, h:mm:ss a'),
    'Readable time': format('h:mm:ss a'),
    'Day of week': format('EEEE'),
    Year: format('yyyy'),
    Month: format('MMMM'),
    'Day of month': format('dd'),
    Hour: format('HH'),
    Minute: format('mm'),
    Second: format('ss'),
    Timezone: format('z (ZZ)'),
    orchestrator: {
      execution_id: message.execution_id,
      attempt: message.attempt,
      workflow_type: message.workflow_type,
      tasks: message.input_data.tasks,
      params: message.input_data.params,
      deadline: message.deadline,
      started_at: Date.now(),
    },
  },
}];`;

const CALLBACK = `const { execution_id, attempt, tasks, started_at } = $(${literal(NAMES.input)}).first().json.orchestrator;
const duration_ms = Math.max(0, Date.now() - started_at);
// Nothing that the orchestrator would refuse: no NUL, no half of a character.
const clean = (value) => JSON.parse(JSON.stringify(value ?? null, (key, inner) =>
  typeof inner === 'string' ? (inner.toWellFormed?.() ?? inner).split('\\u0000').join('') : inner));
const outputOf = (index) => {
  try {
    return $(${literal(NAMES.run)}).all(index).map((item) => item.json).filter((json) => Object.keys(json).length > 0);
  } catch {
    return [];
  }
};
const messageOf = (error) => String(error?.message ?? error?.description ?? error ?? 'it failed').slice(0, 2000);`;

/**
 * The end of a run that has not failed. n8n sends items with nothing but `error` out by the second output. A result under `orchestrator_result` is passed on as it is; else items with a task's
 * `task_id` speak for that task; else they speak for all. An item with `error`, as n8n's nodes leave it, has failed.
 */
export const OUTCOME_CODE = `// Made by the Master Orchestrator: what the run brought, as a callback.
${CALLBACK}
const good = outputOf(0);
const bad = outputOf(1);
// The run itself has failed: the other branch tells.
if (good.length === 0 && bad.length > 0) return [];
const results = [...good, ...bad];
const about = { execution_id, attempt };
const metrics = { duration_ms };
const own = results.map((json) => json.orchestrator_result).find((result) => result && typeof result === 'object');
if (own) {
  const { status = 'completed', items, result_data, error_data, next } = own;
  const metricsOfOwn = { ...metrics, ...own.metrics };
  return [{ json: clean({ ...about, status, items, result_data, error_data, next, metrics: metricsOfOwn }) }];
}
const known = new Set(tasks.map((task) => task.task_id));
const failed = results.filter((json) => json.error);
const withoutError = results.filter((json) => !json.error);
const output = JSON.stringify(results.slice(0, 20)).length <= 200000 ? results.slice(0, 20) : [];
const result_data = { items: results.length, failed_items: failed.length, output };
const error_data = { message: messageOf(failed[0]?.error), n8n_execution_id: $execution.id };
const named = results.filter((json) => known.has(json.task_id));
if (named.length > 0) {
  const items = [...known].flatMap((task_id) => {
    const of = named.filter((json) => json.task_id === task_id);
    const bad = of.find((json) => json.error);
    if (of.length === 0) return [];
    if (bad) return [{ task_id, status: 'failed', error_data: { message: messageOf(bad.error) } }];
    return [{ task_id, status: 'completed', result_data: of.length === 1 ? of[0] : { output: of } }];
  });
  const done = items.filter((item) => item.status === 'completed').length;
  const status = done === known.size ? 'completed' : done === 0 && items.length === known.size ? 'failed' : 'partial';
  return [{ json: clean({ ...about, status, items, metrics }) }];
}
if (failed.length === 0) return [{ json: clean({ ...about, status: 'completed', result_data, metrics }) }];
if (withoutError.length === 0) return [{ json: clean({ ...about, status: 'failed', error_data, metrics }) }];
// Some went well, and nobody says for which task: the tasks are done, and what failed is told.
const items = [...known].map((task_id) => ({ task_id, status: 'completed', result_data }));
return [{ json: clean({ ...about, status: 'partial', items, error_data, metrics }) }];`;

/** The end by an error of any node of the work. */
export const FAILURE_CODE = `// Made by the Master Orchestrator: the run has failed.
${CALLBACK}
// Some items have failed, not the run: the other branch tells.
if (outputOf(0).length > 0) return [];
const error_data = { message: messageOf($input.first().json.error), n8n_execution_id: $execution.id };
return [{ json: clean({ execution_id, attempt, status: 'failed', error_data, metrics: { duration_ms } }) }];`;

/** Behind the lock: the items of the trigger that has started, as they came. */
export function triggerItemsCode(triggers: readonly string[]): string {
  return `// Made by the Master Orchestrator: with the lock, the trigger's own items go on as they came.
for (const name of ${literal(triggers)}) {
  if ($(name).isExecuted) return $(name).all();
}
return [];`;
}

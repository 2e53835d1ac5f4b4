/** Checks a value against a schema and, where it is wrong, says where, what, and what was probably meant. */
import type { z } from "zod";
import { didYouMean, type FieldProblem, Problem } from "./problem.ts";

const MAX_PROBLEMS = 20;

/** Returns the parsed value (defaults filled in) or throws a Problem `validation_failed` that names each wrong field. */
export function validate<S extends z.ZodType>(schema: S, value: unknown, where = ""): z.output<S> {
  const outcome = schema.safeParse(value);
  if (outcome.success) return outcome.data;
  const issues = outcome.error.issues as z.core.$ZodIssue[];
  const errors = describeIssues(issues, { schema, value, where }).slice(0, MAX_PROBLEMS);
  const first = errors[0] as FieldProblem;
  throw new Problem(
    "validation_failed",
    `${first.path}: ${first.message}`,
    errors.length > 1
      ? `Correct these ${errors.length} fields; the schema is in /openapi.json.`
      : "Correct this field; the schema is in /openapi.json.",
    { errors },
  );
}

/** Validates without throwing: the problems' list is empty when the value fits. */
export function fieldProblems(schema: z.ZodType, value: unknown): FieldProblem[] {
  const outcome = schema.safeParse(value);
  return outcome.success
    ? []
    : describeIssues(outcome.error.issues as z.core.$ZodIssue[], { schema, value, where: "" });
}

interface Checked {
  schema: z.ZodType;
  value: unknown;
  where: string;
}

function describeIssues(issues: z.core.$ZodIssue[], checked: Checked): FieldProblem[] {
  const { schema, value, where } = checked;
  return issues.flatMap((issue) => {
    const path = `${where}/${issue.path.map(String).join("/")}`.replace(/\/$/, "") || "/";
    if (issue.code === "invalid_union") {
      const closest = closestBranch(issue.errors as z.core.$ZodIssue[][]);
      const absolute = closest?.map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] }));
      if (absolute) return describeIssues(absolute, checked);
    }
    if (issue.code === "unrecognized_keys") {
      const known = namesAt(schema, issue.path);
      return issue.keys.map((key) => {
        const meant = didYouMean(key, known);
        const choice = meant
          ? `did you mean "${meant}"?`
          : known.length
            ? `known fields: ${known.join(", ")}`
            : "none is taken here";
        return {
          path: `${path === "/" ? "" : path}/${key}`,
          message: `unknown field "${key}"; ${choice}`.trim(),
        };
      });
    }
    return [{ path, message: messageOf(issue, valueAt(value, issue.path)) }];
  });
}

/** What is wrong with a value, with the value where it is short and what was probably meant. */
function messageOf(issue: z.core.$ZodIssue, value: unknown): string {
  if (issue.code === "invalid_type" && value === undefined) return `is missing; expected ${issue.expected}`;
  if (issue.code === "invalid_key") return issue.issues[0]?.message ?? issue.message;
  if (issue.code === "invalid_value" && typeof value === "string") {
    const known = issue.values.map(String);
    const meant = didYouMean(value, known);
    const choice = meant ? `did you mean "${meant}"? ` : "";
    return `"${value.slice(0, 50)}" is none of them; ${choice}known: ${known.join(", ")}`;
  }
  // A parameter of a query is a text that stands for a number.
  if (
    (issue.code !== "too_small" && issue.code !== "too_big") ||
    (issue.origin !== "number" && issue.origin !== "int")
  )
    return issue.message;
  return issue.code === "too_small"
    ? `${value} is too small: ${issue.inclusive ? "at least" : "more than"} ${issue.minimum}`
    : `${value} is too large: ${issue.inclusive ? "at most" : "less than"} ${issue.maximum}`;
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (inner, name) => (inner as Record<PropertyKey, unknown> | null | undefined)?.[name],
    value,
  );
}

/** Of a union's branches, the one that fits best at the top is what the sender meant; the first of equals. */
function closestBranch(branches: z.core.$ZodIssue[][]): z.core.$ZodIssue[] | null {
  const complaints = (issues: z.core.$ZodIssue[], depth: number) =>
    issues
      .filter((issue) => issue.path.length <= depth)
      .reduce((sum, issue) => sum + (issue.code === "unrecognized_keys" ? issue.keys.length : 1), 0);
  const weigh = (issues: z.core.$ZodIssue[]) => complaints(issues, 1) * 1000 + complaints(issues, 1000);
  return [...branches].sort((a, b) => weigh(a) - weigh(b))[0] ?? null;
}

type Def = {
  type: string;
  shape?: Record<string, z.ZodType>;
  element?: z.ZodType;
  innerType?: z.ZodType;
  valueType?: z.ZodType;
  options?: z.ZodType[];
};

/** The field names that the schema knows at a path; empty where it takes any. */
function namesAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  const def = schema.def as unknown as Def;
  if (def.innerType) return namesAt(def.innerType, path);
  if (def.options) return [...new Set(def.options.flatMap((option) => namesAt(option, path)))];
  const [head, ...rest] = path;
  if (head === undefined) return def.shape ? Object.keys(def.shape) : [];
  if (def.shape) {
    const inner = def.shape[String(head)];
    return inner ? namesAt(inner, rest) : [];
  }
  const inner = def.element ?? def.valueType;
  return inner ? namesAt(inner, rest) : [];
}

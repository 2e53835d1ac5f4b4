/** Wrong values are named by their place, and unknown names are answered with the one that was meant. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { z } from "zod";
import { RedriveBody } from "./dead-letter.ts";
import { didYouMean, type FieldProblem, PROBLEM_CODES, Problem } from "./problem.ts";
import { EnqueueBody } from "./task.ts";
import { fieldProblems, validate } from "./validate.ts";
import { WorkflowSettings } from "./workflow.ts";

const Shop = z.strictObject({
  name: z.string(),
  owner: z.strictObject({ email: z.string(), phone: z.string().optional() }).optional(),
  items: z.array(z.strictObject({ price: z.number(), amount: z.int().default(1) })).default([]),
  labels: z.record(z.string(), z.strictObject({ colour: z.string() })).default({}),
  free: z.looseObject({}).optional(),
});

const problemsOf = (value: unknown, schema: z.ZodType = Shop) => fieldProblems(schema, value);
const only = (problems: FieldProblem[]): FieldProblem => {
  assert.equal(problems.length, 1, JSON.stringify(problems));
  return problems[0] as FieldProblem;
};

describe("a value that fits", () => {
  it("comes back with its defaults filled in", () => {
    assert.deepEqual(validate(Shop, { name: "a", items: [{ price: 1 }] }), {
      name: "a",
      items: [{ price: 1, amount: 1 }],
      labels: {},
    });
    assert.deepEqual(problemsOf({ name: "a" }), []);
  });
});

describe("an unknown field", () => {
  const cases: [name: string, value: unknown, path: string, meant: string][] = [
    ["at the top", { name: "a", itms: [] }, "/itms", "items"],
    ["in an object", { name: "a", owner: { email: "e", phon_: "1" } }, "/owner/phon_", "phone"],
    [
      "in an array",
      { name: "a", items: [{ price: 1 }, { price: 1, ammount: 2 }] },
      "/items/1/ammount",
      "amount",
    ],
    ["in a record", { name: "a", labels: { x: { colour: "r", color: "r" } } }, "/labels/x/color", "colour"],
    ["in another case", { name: "a", Items: [] }, "/Items", "items"],
    ["cut short", { name: "a", lab: {} }, "/lab", "labels"],
  ];
  for (const [name, value, path, meant] of cases) {
    it(`${name} is named, with what was probably meant`, () => {
      const problem = only(problemsOf(value));
      assert.equal(problem.path, path);
      assert.match(problem.message, new RegExp(`unknown field .*did you mean "${meant}"`));
    });
  }

  it("that resembles none is answered with those there are", () => {
    const problem = only(problemsOf({ name: "a", zzzzzz: 1 }));
    assert.equal(problem.message, 'unknown field "zzzzzz"; known fields: name, owner, items, labels, free');
  });

  it("each of several is named", () => {
    assert.deepEqual(
      problemsOf({ name: "a", foo: 1, bar: 2 }).map((problem) => problem.path),
      ["/foo", "/bar"],
    );
  });

  it("is welcome where anything is", () => {
    assert.deepEqual(problemsOf({ name: "a", free: { whatever: 1 } }), []);
  });
});

describe("a wrong value", () => {
  it("is named by its JSON pointer", () => {
    assert.equal(only(problemsOf({ name: "a", items: [{ price: "1" }] })).path, "/items/0/price");
    assert.equal(only(problemsOf([])).path, "/");
    assert.equal(only(problemsOf({})).path, "/name");
  });

  it("is thrown as a Problem that opens with the first and lists them all", () => {
    assert.throws(
      () => validate(Shop, { name: 1, items: [{ price: "x" }] }),
      (error) => {
        assert.ok(error instanceof Problem);
        assert.equal(error.code, "validation_failed");
        assert.match(error.message, /^\/name: /);
        assert.match(error.hint, /these 2 fields/);
        assert.deepEqual(
          (error.details.errors as FieldProblem[]).map((problem) => problem.path),
          ["/name", "/items/0/price"],
        );
        return true;
      },
    );
  });

  it("bears the prefix of where the value came from", () => {
    assert.throws(() => validate(Shop, {}, "query"), /^Problem: query\/name: /);
  });

  it("does not flood the answer: twenty are named", () => {
    const items = Array.from({ length: 50 }, () => ({ price: "x" }));
    assert.throws(
      () => validate(Shop, { name: "a", items }),
      (error) => error instanceof Problem && (error.details.errors as unknown[]).length === 20,
    );
  });
});

describe("a value that may have several shapes", () => {
  const task = { workflow_type: "content_pipeline" };

  it("is judged by the shape that it resembles: one task", () => {
    assert.equal(only(problemsOf({ ...task, priority: 101 }, EnqueueBody)).path, "/priority");
    const misspelt = only(problemsOf({ ...task, priorty: 10 }, EnqueueBody));
    assert.equal(misspelt.path, "/priorty");
    assert.match(misspelt.message, /did you mean "priority"/);
  });

  it("is judged by the shape that it resembles: many tasks", () => {
    const wrong = only(problemsOf({ tasks: [task, { ...task, priority: -1 }] }, EnqueueBody));
    assert.equal(wrong.path, "/tasks/1/priority");
    const misspelt = only(problemsOf({ tasks: [{ ...task, payoad: {} }] }, EnqueueBody));
    assert.equal(misspelt.path, "/tasks/0/payoad");
    assert.match(misspelt.message, /did you mean "payload"/);
  });

  it("is judged inside of another: the kind of authentication that was begun", () => {
    const settings = {
      webhook_url: "https://n8n.example/webhook/a",
      auth: { type: "header", nam: "X", value: "v" },
    };
    const problems = problemsOf(settings, WorkflowSettings);
    assert.ok(
      problems.every((problem) => problem.path.startsWith("/auth/")),
      JSON.stringify(problems),
    );
    assert.match(
      problems.find((problem) => problem.path === "/auth/nam")?.message ?? "",
      /did you mean "name"/,
    );
  });

  it("of which exactly one must be given says so", () => {
    assert.match(only(problemsOf({}, RedriveBody)).message, /either task_ids or filter/);
    const both = { task_ids: ["0190b6f0-0000-7000-8000-000000000000"], filter: {} };
    assert.match(only(problemsOf(both, RedriveBody)).message, /either task_ids or filter/);
  });
});

describe("did you mean", () => {
  const known = ["priority", "payload", "workflow_type", "content_type"];
  const cases: [word: string, meant: string | null][] = [
    ["prioriti", "priority"],
    ["PRIORITY", "priority"],
    ["pay", "payload"],
    ["workflowtype", "workflow_type"],
    ["contenttype", "content_type"],
    ["banana", null],
    ["", null],
    ["x".repeat(100), null],
  ];
  for (const [word, meant] of cases) {
    it(`"${word.slice(0, 20)}" → ${meant}`, () => assert.equal(didYouMean(word, known), meant));
  }

  it("without anything known means nothing", () => assert.equal(didYouMean("a", []), null));
});

describe("a wrong value", () => {
  const Thing = z.strictObject({
    colour: z.enum(["red", "green"]).optional(),
    size: z.number().min(0).max(9).optional(),
    named: z.record(z.string().regex(/^[a-z]+$/, "must be lower case"), z.number()).optional(),
  });
  const said = (value: unknown) =>
    fieldProblems(Thing, value).map(({ path, message }) => `${path}: ${message}`);

  it("of a closed list is answered with the one that was meant, and the list", () => {
    assert.deepEqual(said({ colour: "gren" }), [
      '/colour: "gren" is none of them; did you mean "green"? known: red, green',
    ]);
    assert.deepEqual(said({ colour: "blue" }), ['/colour: "blue" is none of them; known: red, green']);
  });

  it("beyond its bounds is named with them", () => {
    assert.deepEqual(said({ size: -1 }), ["/size: -1 is too small: at least 0"]);
    assert.deepEqual(said({ size: 10 }), ["/size: 10 is too large: at most 9"]);
  });

  it("for a name is told what names look like", () => {
    assert.deepEqual(said({ named: { A1: 1 } }), ["/named/A1: must be lower case"]);
  });
});

describe("a problem", () => {
  it("keeps its cause away from what is answered", () => {
    const cause = new Error("secret");
    const problem = new Problem("internal", "m", "h", { cause, errors: [] });
    assert.equal(problem.cause, cause);
    assert.deepEqual(problem.details, { errors: [] });
  });

  it("has a code out of a list without doubles, in words", () => {
    assert.equal(new Set(PROBLEM_CODES).size, PROBLEM_CODES.length);
    for (const code of PROBLEM_CODES) assert.match(code, /^[a-z]+(_[a-z]+)*$/);
  });
});

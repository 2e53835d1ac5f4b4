/** The packages as they are published, installed into an empty folder as a stranger would: the README's example runs, and its types hold. */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const NODE_MODULES = join(ROOT, "node_modules");

describe("the published packages", { timeout: 180_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), "sdk-package-"));
  const readme = readFileSync(join(ROOT, "sdk/README.md"), "utf8");
  const [workflow = "", trial = ""] = [...readme.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code]) => code);
  let packed: { name: string; files: { path: string }[] }[];

  before(() => {
    execFileSync(process.execPath, [join(ROOT, "sdk/publish.mjs")], { stdio: "inherit" });
    const dist = (name: string) => join(ROOT, "sdk/dist", name);
    const pack = ["pack", "--json", "--ignore-scripts", "--pack-destination", folder];
    packed = Object.values(JSON.parse(npm([...pack, dist("contract"), dist("sdk")])));
    writeFileSync(
      join(folder, "package.json"),
      JSON.stringify({ name: "stranger", private: true, type: "module" }),
    );
    // zod is taken from here, so that nothing is fetched.
    const tarballs = ["contract", "sdk"].map((name) => `./master-orchestrator-${name}-${version(name)}.tgz`);
    const quietly = ["--offline", "--ignore-scripts", "--no-audit", "--no-fund"];
    npm(["install", ...quietly, ...tarballs, join(NODE_MODULES, "zod")]);
    writeFileSync(join(folder, "word-count.ts"), workflow);
    writeFileSync(join(folder, "try.ts"), trial);
  });
  after(() => rmSync(folder, { recursive: true }));

  function npm(args: string[]): string {
    return execFileSync("npm", args, { cwd: folder, encoding: "utf8" });
  }

  it("hold JavaScript, declarations, a licence and a README, and no source or test", () => {
    assert.equal(packed.length, 2);
    for (const { name, files } of packed) {
      const installed = readFileSync(join(folder, "node_modules", name, "package.json"), "utf8");
      assert.equal(JSON.parse(installed).private, undefined, `${name} could not be published`);
      const paths = files.map(({ path }) => path);
      for (const path of ["LICENSE", "README.md", "package.json", "src/index.js", "src/index.d.ts"]) {
        assert.ok(paths.includes(path), `${name} lacks ${path}`);
      }
      const strays = paths.filter(
        (path) => !/^(LICENSE|README\.md|package\.json|src\/[\w-]+\.(js|d\.ts))$/.test(path),
      );
      assert.deepEqual(strays, [], name);
    }
  });

  it("run the README's example against the testing kit, signed", async () => {
    const env = { ...process.env, PORT: "0", SIGNING_SECRET: `whsec_${randomBytes(24).toString("base64")}` };
    const started = spawn(process.execPath, ["word-count.ts"], { cwd: folder, env, stdio: "pipe" });
    try {
      // It says its address, or it has ended and said why.
      const [line] = await Promise.race([once(started.stdout, "data"), once(started.stderr, "data")]);
      const url = /http\S+/.exec(String(line))?.[0] ?? assert.fail(String(line));
      const trial = { cwd: folder, env, encoding: "utf8", timeout: 60_000 } as const;
      const { status, items } = JSON.parse(execFileSync(process.execPath, ["try.ts", url], trial));
      assert.equal(status, "partial");
      assert.deepEqual(items[0].result_data, { words: 4 });
      assert.equal(items[1].error_data.message, "the text is empty");
    } finally {
      started.kill();
    }
  });

  it("have types that hold in a stranger's strict project, their declarations checked too", () => {
    const compilerOptions = {
      ...{
        module: "nodenext",
        moduleResolution: "nodenext",
        target: "es2024",
        lib: ["es2024", "esnext.disposable"],
      },
      ...{
        strict: true,
        exactOptionalPropertyTypes: false,
        skipLibCheck: false,
        noEmit: true,
        types: ["node"],
      },
      typeRoots: [join(NODE_MODULES, "@types")],
    };
    // A field that the schema does not have must be refused: types that fell back to `any` would let it pass.
    const wrong = workflow.replace("input.text.trim().split", "// @ts-expect-error\n input.txt.trim().split");
    assert.notEqual(wrong, workflow);
    writeFileSync(join(folder, "wrong.ts"), wrong);
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*.ts"] }));
    execFileSync(process.execPath, [join(NODE_MODULES, "typescript/bin/tsc"), "-p", "."], {
      cwd: folder,
      stdio: "inherit",
    });
  });
});

function version(name: string): string {
  return JSON.parse(readFileSync(join(ROOT, name, "package.json"), "utf8")).version;
}

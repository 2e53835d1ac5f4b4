/**
 * Owns the published shape of contract and sdk: `sdk/dist/contract` and `sdk/dist/sdk`, to be given to `npm publish`. Node runs
 * TypeScript everywhere but below node_modules, so there the packages are JavaScript with declarations. Publishes nothing itself.
 */
import { execFileSync } from "node:child_process";
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const HERE = dirname(fileURLToPath(import.meta.url));
const ROOT = dirname(HERE);

/** The workspace's manifest, with what a reader of the registry sees, and with the emitted files in place of the sources. */
function manifest({ private: _private, devDependencies: _unused, ...rest }) {
  const { engines } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  const exports = Object.entries(rest.exports).map(([name, source]) => {
    const file = source.replace(/\.ts$/, "");
    return [name, { types: `${file}.d.ts`, default: `${file}.js` }];
  });
  // A range, so that the author's zod and this one are the same: schemas of two copies do not fit each other.
  const dependencies = { ...rest.dependencies, zod: `^${rest.dependencies.zod}` };
  return {
    ...rest,
    engines,
    exports: Object.fromEntries(exports),
    dependencies,
    publishConfig: { access: "public" },
  };
}

rmSync(join(HERE, "dist"), { recursive: true, force: true });
const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
execFileSync(process.execPath, [tsc, "-p", join(HERE, "tsconfig.publish.json")], { stdio: "inherit" });
for (const name of ["contract", "sdk"]) {
  const source = JSON.parse(readFileSync(join(ROOT, name, "package.json"), "utf8"));
  const target = join(HERE, "dist", name);
  writeFileSync(join(target, "package.json"), `${JSON.stringify(manifest(source), null, 2)}\n`);
  cpSync(join(ROOT, name, "README.md"), join(target, "README.md"));
  cpSync(join(ROOT, "LICENSE"), join(target, "LICENSE"));
}

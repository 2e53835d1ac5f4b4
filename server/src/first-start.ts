/** What a new installation needs once: a policy and an admin key. Changes neither later. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { defaultPolicy, Policy, Problem, validate } from "@master-orchestrator/contract";
import type { Config } from "#config.ts";
import { canonicalJson } from "#core/canonical.ts";
import { mintApiKey } from "#http/auth.ts";
import { hasAdminKey, insertApiKey } from "#store/api-keys.ts";
import type { Database } from "#store/database.ts";
import { currentPolicy, insertPolicyVersion } from "#store/policies.ts";

const BY = "installation";

/** Stores the policy file as a new version if it differs from the current one; else the default policy, once. */
export async function ensurePolicy(db: Database, config: Config): Promise<void> {
  const current = await currentPolicy(db);
  if (config.policyFile !== null) {
    const policy = await readPolicyFile(config.policyFile);
    if (canonicalJson(policy) === canonicalJson(current?.policy)) return;
    const version = (current?.version ?? 0) + 1;
    await insertPolicyVersion(db, version, { policy, comment: "loaded from POLICY_FILE", changedBy: BY });
  } else if (!current) {
    const defaults = defaultPolicy();
    const policy = { ...defaults, budget: { ...defaults.budget, daily_usd: config.dailyBudgetUsd } };
    await insertPolicyVersion(db, 1, { policy, comment: "the first policy", changedBy: BY });
  }
}

async function readPolicyFile(path: string): Promise<Policy> {
  try {
    const document = JSON.parse(await readFile(path, "utf8"));
    return validate(Policy, document !== null && "policy" in document ? document.policy : document);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const hint = "Correct the file, or unset POLICY_FILE.";
    throw new Problem("invalid_setting", `POLICY_FILE ${path}: ${why}`, hint);
  }
}

/**
 * Makes the first admin key and leaves it in `<dataDir>/admin-key`, readable by its owner only, where
 * the CLI finds it. Returns it to be shown this once; null if there is an admin key already.
 */
export async function ensureAdminKey(db: Database, dataDir: string): Promise<string | null> {
  if (await hasAdminKey(db)) return null;
  const { keyId, key, secretHash } = mintApiKey();
  // The file comes first: a key that is stored but was never shown would lock everybody out.
  await writeFile(join(dataDir, "admin-key"), `${key}\n`, { mode: 0o600 });
  const name = "admin (first start)";
  await insertApiKey(db, { keyId, name, role: "admin", secretHash, createdBy: BY, expiresAtMs: null });
  return key;
}

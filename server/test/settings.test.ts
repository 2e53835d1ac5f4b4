import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { Problem } from "@master-orchestrator/contract";
import { loadConfig } from "#config.ts";

async function fileOf(t: TestContext, content: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "orchestrator-secret-"));
  t.after(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, "secret"), content);
  return join(folder, "secret");
}

function refusal(env: Record<string, string>): Problem {
  try {
    loadConfig(env);
  } catch (error) {
    assert.ok(error instanceof Problem);
    return error;
  }
  throw new Error("nothing was refused");
}

test("a secret is read from the file that its setting names, without the line's end", async (t) => {
  const file = await fileOf(t, "an-admin-key-of-many-letters\n");
  assert.equal(loadConfig({ ORCHESTRATOR_ADMIN_KEY_FILE: file }).adminKey, "an-admin-key-of-many-letters");
});

test("a file that is not there, an empty one, and a setting given twice are refused, and nothing is told of a secret", async (t) => {
  assert.match(refusal({ DATABASE_URL_FILE: "/nowhere/at/all" }).message, /DATABASE_URL_FILE: .*ENOENT/);
  assert.match(refusal({ OPENAI_API_KEY_FILE: await fileOf(t, "\n") }).message, /is empty/);
  const twice = refusal({
    OPENAI_API_KEY_FILE: await fileOf(t, "from-a-file"),
    OPENAI_API_KEY: "from-the-environment",
  });
  assert.match(twice.message, /OPENAI_API_KEY is set as well/);
  const short = refusal({ ORCHESTRATOR_ADMIN_KEY_FILE: await fileOf(t, "too-short") });
  assert.doesNotMatch(short.message + short.hint, /too-short/);
});

test("where traces go, how many, and what describes us is read from OpenTelemetry's own settings", () => {
  assert.equal(loadConfig({}).tracing, null);
  const OTEL_EXPORTER_OTLP_ENDPOINT = "http://collector:4318/";
  assert.deepEqual(
    loadConfig({
      OTEL_EXPORTER_OTLP_ENDPOINT,
      ...{ OTEL_EXPORTER_OTLP_HEADERS: "x-key=a%20b, x-more=1", OTEL_SERVICE_NAME: "desk" },
      ...{ OTEL_RESOURCE_ATTRIBUTES: "deployment.environment.name=test", OTEL_TRACES_SAMPLER_ARG: "0.25" },
      OTEL_TRACES_SAMPLER: "parentbased_traceidratio",
    }).tracing,
    {
      url: "http://collector:4318/v1/traces",
      headers: { "x-key": "a b", "x-more": "1" },
      resource: { "service.name": "desk", "deployment.environment.name": "test" },
      ratio: 0.25,
    },
  );
  assert.equal(loadConfig({ OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_SDK_DISABLED: "true" }).tracing, null);
  assert.match(refusal({ OTEL_EXPORTER_OTLP_ENDPOINT: "collector:4318" }).hint, /begins with http:\/\//);
  assert.match(refusal({ OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" }).hint, /4318/);
  assert.match(
    refusal({ OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS: "secret" }).message,
    /the value is/,
  );
  assert.match(refusal({ OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_TRACES_SAMPLER: "some" }).hint, /traceidratio/);
});

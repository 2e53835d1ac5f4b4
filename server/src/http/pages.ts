/** Makes the few HTML pages of the API's documentation. Loads nothing from anywhere else. */
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { PROBLEM_CODES } from "@master-orchestrator/contract";
import { fastify } from "fastify";
import { PROBLEM_KINDS } from "./problem.ts";

export interface Reference {
  html: string;
  /** The content security policy that the page needs. */
  policy: string;
  script: Uint8Array;
  scriptGzip: Uint8Array;
}

/** Where the page finds its script and the document. */
export const SCRIPT_PATH = "/docs/scalar.js";
export const DOCUMENT_PATH = "/openapi.json";

/**
 * Scalar's reference page and its script, taken out of its Fastify plugin: so they are served by routes like all
 * others, with a policy that names the one inline script by its hash. Loads megabytes: call it when first needed.
 */
export async function renderReference(): Promise<Reference> {
  const { default: scalar } = await import("@scalar/fastify-api-reference");
  const stage = fastify({ logger: false });
  const configuration = {
    url: DOCUMENT_PATH,
    cdn: SCRIPT_PATH,
    pageTitle: "Master Orchestrator API",
    withDefaultFonts: false,
    telemetry: false,
    proxyUrl: "",
    hideClientButton: true,
    showDeveloperTools: "never",
    agent: { disabled: true },
    mcp: { disabled: true },
  };
  await stage.register(scalar, { routePrefix: "/stage", configuration: configuration as object });
  const page = await stage.inject("/stage/");
  const script = (await stage.inject("/stage/js/scalar.js")).rawPayload;
  await stage.close();
  const html = page.body;
  return { html, policy: pagePolicy(html), script, scriptGzip: gzipSync(script) };
}

function pagePolicy(html: string): string {
  const inline = [...html.matchAll(/<script(?![^>]*\bsrc=)[^>]*>([\s\S]*?)<\/script>/g)];
  const hashes = inline.map(([, code]) => `'sha256-${createHash("sha256").update(code!).digest("base64")}'`);
  return [
    "default-src 'none'",
    `script-src 'self' ${hashes.join(" ")}`,
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data: blob:",
    "font-src 'self' data:",
    "connect-src 'self'",
    "worker-src 'self' blob:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
}

const STYLE =
  "body{font:16px/1.5 system-ui,sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}" +
  "table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.4rem .6rem;border-bottom:1px solid #8884}" +
  ":target{background:#fd02}";

/** What each problem code means; `#<code>` leads to its line. */
export function problemsPage(): { html: string; policy: string } {
  const rows = PROBLEM_CODES.map((code) => {
    const { status, title } = PROBLEM_KINDS[code];
    return `<tr id="${code}"><td><code>${code}</code></td><td>${status}</td><td>${title}</td></tr>`;
  });
  const html =
    `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Problem codes</title>` +
    `<meta name="viewport" content="width=device-width"><style>${STYLE}</style></head><body><h1>Problem codes</h1>` +
    `<p>Every error of the API is an RFC 9457 problem response. <code>code</code> is stable, <code>detail</code> ` +
    `says what is wrong in this case, <code>hint</code> what to do. See the <a href="/docs">reference</a>.</p>` +
    `<table><thead><tr><th>Code</th><th>Status</th><th>Meaning</th></tr></thead>` +
    `<tbody>${rows.join("")}</tbody></table></body></html>`;
  const styleHash = createHash("sha256").update(STYLE).digest("base64");
  return { html, policy: `default-src 'none'; style-src 'sha256-${styleHash}'; frame-ancestors 'none'` };
}

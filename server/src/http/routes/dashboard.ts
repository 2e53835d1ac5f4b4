/** Serves the dashboard's built files, from memory. Builds nothing; a path that is no file of its is its first page. */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { extname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { type Answer, defineRoute, type HeaderLookup, type Route } from "../route.ts";

const BUILT = fileURLToPath(new URL("../../../../dashboard/dist", import.meta.url));
const BASE = "/dashboard";
const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".woff2": "font/woff2",
  ".json": "application/json; charset=utf-8",
};
/** Scripts and requests go to us alone; the component library writes its colours into style elements. */
const POLICY = [
  ...["default-src 'none'", "script-src 'self'", "style-src 'self' 'unsafe-inline'", "img-src 'self' data:"],
  ...[
    "font-src 'self'",
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ],
].join("; ");

interface File {
  bytes: Buffer;
  zipped: Buffer;
  type: string;
  etag: string;
  /** Its name changes with its content. */
  named: boolean;
}

export function dashboardRoutes(folder = BUILT): Route[] {
  const files = readFiles(folder);
  const serve = (path: string, headers: HeaderLookup): Answer => {
    const first = files.get("index.html");
    const file = files.get(path) ?? (path.startsWith("assets/") ? undefined : first);
    if (first === undefined) return notBuilt();
    if (file === undefined)
      return { status: 404, headers: { "content-type": "text/plain" }, body: "no such file" };
    return answerOf(file, headers);
  };
  const about = { method: "GET", tag: "Dashboard", access: "public" } as const;
  const answers = { 200: { description: "A page, or one of its files", contentType: "text/html" } };
  return [
    defineRoute({
      ...about,
      path: BASE,
      summary: "The dashboard",
      answers,
      handle: async ({ headers }) => serve("index.html", headers),
    }),
    defineRoute({
      ...about,
      path: `${BASE}/*`,
      summary: "The dashboard's pages and files",
      answers,
      handle: async ({ params, headers }) => serve(params["*"] ?? "", headers),
    }),
  ];
}

function readFiles(folder: string): Map<string, File> {
  if (!existsSync(folder)) return new Map();
  const paths = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  return new Map(
    paths.map((entry) => {
      const path = join(entry.parentPath, entry.name);
      const bytes = readFileSync(path);
      const name = relative(folder, path).replaceAll("\\", "/");
      return [
        name,
        {
          bytes,
          zipped: gzipSync(bytes),
          type: TYPES[extname(name)] ?? "application/octet-stream",
          etag: `"${createHash("sha256").update(bytes).digest("base64url").slice(0, 22)}"`,
          named: name.startsWith("assets/"),
        },
      ];
    }),
  );
}

function answerOf(file: File, headers: HeaderLookup): Answer {
  const zipped = headers.get("accept-encoding")?.includes("gzip") ?? false;
  const common = {
    "content-type": file.type,
    "content-security-policy": POLICY,
    "cache-control": file.named ? "public, max-age=31536000, immutable" : "no-cache",
    vary: "accept-encoding",
    etag: file.etag,
  };
  if (headers.get("if-none-match") === file.etag) return { status: 304, headers: common };
  return zipped
    ? { status: 200, headers: { ...common, "content-encoding": "gzip" }, body: file.zipped }
    : { status: 200, headers: common, body: file.bytes };
}

function notBuilt(): Answer {
  return {
    status: 503,
    headers: { "content-type": "text/plain; charset=utf-8" },
    body: "The dashboard is not built. Run: npm run build -w dashboard\n",
  };
}

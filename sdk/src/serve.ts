/** Owns the way from a Node HTTP server to `Workflow.handle`; never looks into a message. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { Problem } from "@master-orchestrator/contract";
import { problemResponse } from "./answers.ts";
import type { Workflow } from "./definition.ts";

/** How long a sender may take for one request, in milliseconds. */
const REQUEST_TIMEOUT_MS = 60_000;

/**
 * Listens for dispatches. Each workflow answers `POST <url>/<type>`; where there is only one, also
 * `POST <url>`. `GET /healthz` answers 200, or 503 while closing. `port` 0 takes any free port;
 * `host` defaults to 127.0.0.1. Rejects when the port cannot be had.
 *
 * `close()` stops the workflows first (see `Workflow.stop`), then the server.
 */
export async function serve(
  workflow: Workflow | Workflow[],
  options: { port: number; host?: string; path?: string },
): Promise<{ url: string; close(): Promise<void> }> {
  const workflows = Array.isArray(workflow) ? workflow : [workflow];
  const base = `/${options.path ?? ""}`.replace(/\/+/g, "/").replace(/\/$/, "");
  const routes = routesOf(workflows, base);
  let closing: Promise<void> | undefined;

  const server = createServer({ requestTimeout: REQUEST_TIMEOUT_MS }, (request, response) => {
    answer(request, routes, closing !== undefined)
      .then((reply) => write(request, response, reply))
      .catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, options.host ?? "127.0.0.1", resolve);
  });
  const { port, address, family } = server.address() as AddressInfo;
  const host = family === "IPv6" ? `[${address}]` : address;

  async function close(): Promise<void> {
    await Promise.all(workflows.map((each) => each.stop()));
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  }
  return {
    url: `http://${host}:${port}${base}`,
    close: () => {
      closing ??= close();
      return closing;
    },
  };
}

function routesOf(workflows: Workflow[], base: string): Map<string, Workflow> {
  const routes = new Map<string, Workflow>();
  for (const each of workflows) {
    if (routes.has(`${base}/${each.type}`)) {
      throw new Problem(
        "invalid_setting",
        `two workflows are named "${each.type}"`,
        "Give each its own type.",
      );
    }
    routes.set(`${base}/${each.type}`, each);
  }
  if (workflows.length === 1 && workflows[0]) routes.set(base, workflows[0]);
  return routes;
}

async function answer(
  request: IncomingMessage,
  routes: Map<string, Workflow>,
  closing: boolean,
): Promise<Response> {
  const path = (request.url ?? "/").replace(/\?.*$/, "").replace(/\/+$/, "");
  if (request.method === "GET" && path === "/healthz") {
    return Response.json({ status: closing ? "closing" : "ok" }, { status: closing ? 503 : 200 });
  }
  const workflow = routes.get(path);
  if (!workflow) {
    const hint = `Post to ${[...routes.keys()].map((route) => route || "/").join(" or ")}.`;
    return problemResponse(new Problem("not_found", "no workflow answers at this path", hint));
  }
  return workflow.handle(asRequest(request, path));
}

/** The address is of no interest to a workflow: the Host header of a stranger must not break parsing. */
function asRequest(request: IncomingMessage, path: string): Request {
  const headers = new Headers();
  for (const [name, value] of Object.entries(request.headers)) {
    for (const each of Array.isArray(value) ? value : [value ?? ""]) headers.append(name, each);
  }
  const method = request.method ?? "GET";
  const body = method === "GET" || method === "HEAD" ? null : (Readable.toWeb(request) as ReadableStream);
  return new Request(new URL(path || "/", "http://workflow.invalid"), {
    method,
    headers,
    body,
    duplex: "half",
  });
}

async function write(request: IncomingMessage, response: ServerResponse, reply: Response): Promise<void> {
  const body = Buffer.from(await reply.arrayBuffer());
  response.writeHead(reply.status, {
    ...Object.fromEntries(reply.headers),
    "content-length": body.length,
    // An unread rest of a refused body must not be taken for the next request.
    ...(request.complete ? {} : { connection: "close" }),
  });
  response.end(body);
}

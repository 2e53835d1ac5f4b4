/** Documents routes as OpenAPI 3.1, from the same values and schemas that serve them. Serves nothing. */
import { NoBody, ProblemResponse } from "@master-orchestrator/contract";
import { z } from "zod";
import {
  createDocument,
  type ZodOpenApiOperationObject,
  type ZodOpenApiPathsObject,
  type ZodOpenApiResponseObject,
  type ZodOpenApiResponsesObject,
} from "zod-openapi";
import { type Access, isSchema, type Route } from "./route.ts";

export interface OpenApiOptions {
  publicUrl: string;
  /** The version of the product. */
  version: string;
}

/** The whole document, a JSON value. Two routes of one method and path are an error. */
export function openApiDocument(routes: readonly Route[], options: OpenApiOptions): object {
  return createDocument({
    openapi: "3.1.0",
    info: {
      title: "Master Orchestrator",
      version: options.version,
      description:
        "One mind for many workflows: decides what may run, dispatches it, and records why everything else waits. " +
        "Unknown fields are refused; errors are RFC 9457 problem responses with a stable `code` and a `hint`.",
    },
    servers: [{ url: options.publicUrl }],
    tags: [...new Set(routes.map((route) => route.tag))].map((name) => ({ name })),
    paths: pathsOf(routes),
    components: {
      securitySchemes: {
        apiKey: { type: "http", scheme: "bearer", description: "An API key, `mo_…`, with a role" },
        executionToken: { type: "http", scheme: "bearer", description: "The token of one attempt, `moe_…`" },
      },
      responses: problemResponses(),
    },
  });
}

/** The failures that any route may answer, as shared components. */
const PROBLEMS: Record<number, { name: string; description: string }> = {
  400: { name: "BadRequest", description: "The body is not valid JSON, or nested too deep" },
  401: { name: "Unauthorized", description: "No key, or a wrong, expired or revoked one" },
  403: { name: "Forbidden", description: "The key's role, or the token, does not open this" },
  404: { name: "NotFound", description: "There is no such thing" },
  409: { name: "Conflict", description: "The state does not allow it; see `code`" },
  413: { name: "PayloadTooLarge", description: "The body is too large" },
  415: { name: "UnsupportedMediaType", description: "The body is not application/json" },
  422: { name: "ValidationFailed", description: "Fields or parameters are wrong; `errors` names each" },
  500: { name: "InternalError", description: "An unexpected error; the log has its incident id" },
  503: { name: "Unavailable", description: "Not available now, e.g. the database; see Retry-After" },
};

function problemResponses(): Record<string, ZodOpenApiResponseObject> {
  const documented: Record<string, ZodOpenApiResponseObject> = {};
  for (const [status, { name, description }] of Object.entries(PROBLEMS)) {
    const header = { 401: "WWW-Authenticate", 503: "Retry-After" }[status];
    documented[name] = {
      description,
      ...(header ? { headers: { [header]: { schema: { type: "string" } } } } : {}),
      content: { "application/problem+json": { schema: ProblemResponse } },
    };
  }
  return documented;
}

function pathsOf(routes: readonly Route[]): ZodOpenApiPathsObject {
  const paths: Record<string, Record<string, ZodOpenApiOperationObject>> = {};
  for (const route of routes) {
    const path = documentedPath(route.path);
    const method = route.method.toLowerCase();
    paths[path] ??= {};
    if (paths[path][method]) throw new Error(`${route.method} ${route.path} is there twice`);
    paths[path][method] = operation(route);
  }
  return paths as ZodOpenApiPathsObject;
}

/** `/api/v1/tasks/:task_id` as OpenAPI writes it. */
export function documentedPath(path: string): string {
  return path
    .split("/")
    .map((part) => (part === "*" ? "{rest}" : part.startsWith(":") ? `{${part.slice(1)}}` : part))
    .join("/");
}

function operation(route: Route): ZodOpenApiOperationObject {
  return {
    operationId: operationId(route),
    summary: route.summary,
    description: [route.description, accessInWords(route.access)].filter(Boolean).join("\n\n"),
    tags: [route.tag],
    security: security(route),
    requestParams: {
      ...pathParams(route),
      ...(route.query instanceof z.ZodObject ? { query: route.query } : {}),
    },
    ...requestBody(route),
    responses: responses(route),
  };
}

function operationId(route: Route): string {
  const words = `${route.method.toLowerCase()} ${route.path.replace("*", "rest")}`.split(/[^A-Za-z0-9]+/);
  const kept = words.filter((word) => word !== "" && word !== "api" && word !== "v1");
  return kept.map((word, i) => (i === 0 ? word : word[0]!.toUpperCase() + word.slice(1))).join("");
}

function listOf(access: Route["access"]): readonly Access[] {
  return typeof access === "string" ? [access] : access;
}

function accessInWords(access: Route["access"]): string {
  if (access === "public") return "";
  if (access === "execution") return "Only with the token of the attempt.";
  const roles = listOf(access).join(" or ");
  return roles === "admin" ? "Role: admin." : `Role: ${roles}, or a greater one.`;
}

function security(route: Route): ZodOpenApiOperationObject["security"] {
  const accesses = listOf(route.access);
  // A public call under /api judges its caller itself: by the token or by a signature.
  if (accesses.includes("public")) return route.path.startsWith("/api/") ? [{ executionToken: [] }, {}] : [];
  const schemes = new Set(accesses.map((one) => (one === "execution" ? "executionToken" : "apiKey")));
  return [...schemes].map((scheme) => ({ [scheme]: [] }));
}

function pathParams(route: Route): { path?: z.ZodObject } {
  if (route.params instanceof z.ZodObject) return { path: route.params };
  const names = documentedPath(route.path).match(/(?<=\{)\w+(?=\})/g);
  return names ? { path: z.object(Object.fromEntries(names.map((name) => [name, z.string()]))) } : {};
}

function requestBody(route: Route): Pick<ZodOpenApiOperationObject, "requestBody"> {
  if (route.method === "GET") return {};
  if (route.raw) return { requestBody: { required: false, content: { "*/*": {} } } };
  const schema = route.body ?? NoBody;
  const required = route.body !== undefined && !route.body.safeParse(undefined).success;
  return { requestBody: { required, content: { "application/json": { schema } } } };
}

function responses(route: Route): ZodOpenApiResponsesObject {
  const documented: Record<string, unknown> = {};
  for (const [status, answer] of Object.entries(route.answers)) {
    documented[status] = isSchema(answer)
      ? { description: "Done", content: { "application/json": { schema: answer } } }
      : {
          description: answer.description,
          content: { [answer.contentType]: { schema: { type: "string" } } },
        };
  }
  for (const status of failures(route)) {
    documented[status] ??= { $ref: `#/components/responses/${PROBLEMS[status]!.name}` };
  }
  return documented as ZodOpenApiResponsesObject;
}

function failures(route: Route): number[] {
  const api = route.path.startsWith("/api/");
  const open = listOf(route.access).includes("public");
  return [
    ...(route.method === "GET" ? [] : route.raw ? [413] : [400, 413, 415]),
    ...(open && !api ? [] : [401, 403]),
    ...(/[:*]/.test(route.path) ? [404] : []),
    ...(api && route.method !== "GET" ? [409] : []),
    ...(api || route.query || route.body ? [422] : []),
    500,
    503,
  ];
}

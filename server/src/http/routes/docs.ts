/** Owns /openapi.json and the pages under /docs. Documents whatever routes it is given, itself included. */
import { z } from "zod";
import { type OpenApiOptions, openApiDocument } from "../openapi.ts";
import { DOCUMENT_PATH, problemsPage, type Reference, renderReference, SCRIPT_PATH } from "../pages.ts";
import { type Answer, defineRoute, type Route } from "../route.ts";

/** All of the server's routes: those given and those of the documentation. */
export function withDocs(routes: readonly Route[], options: OpenApiOptions): Route[] {
  const all = [...routes];
  let document: object | undefined;
  let reference: Promise<Reference> | undefined;
  const rendered = () => {
    reference ??= renderReference().catch((error) => {
      reference = undefined;
      throw error;
    });
    return reference;
  };
  const html = { description: "A page", contentType: "text/html" };
  const about = { method: "GET", tag: "Documentation", access: "public" } as const;
  const docs: Route[] = [
    defineRoute({
      ...about,
      path: DOCUMENT_PATH,
      summary: "This document",
      answers: { 200: z.looseObject({ openapi: z.string() }).meta({ description: "OpenAPI 3.1" }) },
      async handle() {
        document ??= openApiDocument(all, options);
        return {
          status: 200,
          body: document,
          headers: { "content-type": "application/json; charset=utf-8" },
        };
      },
    }),
    defineRoute({
      ...about,
      path: "/docs",
      summary: "The API reference to read and try",
      answers: { 200: html },
      async handle() {
        const { html: page, policy } = await rendered();
        return pageAnswer(page, policy);
      },
    }),
    defineRoute({
      ...about,
      path: SCRIPT_PATH,
      summary: "The script of the reference",
      answers: { 200: { description: "A script", contentType: "text/javascript" } },
      async handle({ headers }) {
        const { script, scriptGzip } = await rendered();
        const zipped = /\bgzip\b/.test(headers.get("accept-encoding") ?? "");
        return {
          status: 200,
          body: zipped ? scriptGzip : script,
          headers: {
            "content-type": "text/javascript; charset=utf-8",
            "cache-control": "public, max-age=3600",
            vary: "accept-encoding",
            ...(zipped ? { "content-encoding": "gzip" } : {}),
          },
        };
      },
    }),
    defineRoute({
      ...about,
      path: "/docs/problems",
      summary: "What each problem code means",
      answers: { 200: html },
      async handle() {
        const page = problemsPage();
        return pageAnswer(page.html, page.policy);
      },
    }),
  ];
  all.push(...docs);
  return all;
}

function pageAnswer(html: string, policy: string): Answer {
  const headers = { "content-type": "text/html; charset=utf-8", "content-security-policy": policy };
  return { status: 200, body: html, headers };
}

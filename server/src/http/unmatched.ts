/** Answers for addresses that no route serves: 405 with what is, or 404 with what was probably meant. */
import { didYouMean, Problem } from "@master-orchestrator/contract";
import type { Route } from "./route.ts";

/** Problem `method_not_allowed` where the path exists for another method, else `not_found`. */
export function noSuchRoute(routes: readonly Route[], method: string, url: string): Problem {
  const path = url.split("?")[0]!;
  const segments = path.split("/").slice(1);
  const here = routes.filter((route) => fits(route, segments));
  const shown = JSON.stringify(path.slice(0, 200));
  if (here.length > 0) {
    const methods = new Set<string>(here.map((route) => route.method));
    if (methods.has("GET")) methods.add("HEAD");
    const allow = [...methods].sort().join(", ");
    return new Problem("method_not_allowed", `${method} is not supported at ${shown}`, `Use ${allow}.`, {
      headers: { allow },
    });
  }
  const meant = nearest(routes, segments);
  const hint = meant ? `Did you mean ${meant}? ` : "";
  return new Problem(
    "not_found",
    `nothing is served at ${shown}`,
    `${hint}All addresses are in /openapi.json.`,
  );
}

function pattern(route: Route): string[] {
  return route.path.split("/").slice(1);
}

function fits(route: Route, segments: string[]): boolean {
  const parts = pattern(route);
  if (parts.at(-1) === "*") {
    return (
      segments.length >= parts.length && parts.slice(0, -1).every((part, i) => fitsPart(part, segments[i]!))
    );
  }
  return parts.length === segments.length && parts.every((part, i) => fitsPart(part, segments[i]!));
}

function fitsPart(part: string, segment: string): boolean {
  return part.startsWith(":") ? segment !== "" : part === segment;
}

/** A route that differs in one misspelt segment, a missing /api/v1, or a slash at the end. */
function nearest(routes: readonly Route[], segments: string[]): string | null {
  const trimmed = segments.filter((segment) => segment !== "");
  const tries = [trimmed, ["api", "v1", ...trimmed], ["api", "v1", ...trimmed.slice(1)], ["api", ...trimmed]];
  for (const attempt of tries) {
    const found = routes.find((route) => fits(route, attempt));
    if (found) return found.path;
  }
  for (const attempt of tries.slice(0, 2)) {
    for (const route of routes) {
      const parts = pattern(route);
      if (parts.length !== attempt.length) continue;
      const wrong = parts.filter((part, i) => !fitsPart(part, attempt[i]!));
      const at = parts.indexOf(wrong[0] ?? "");
      if (wrong.length === 1 && at >= 0 && didYouMean(attempt[at]!, [parts[at]!]) !== null) return route.path;
    }
  }
  return null;
}

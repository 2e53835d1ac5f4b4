/** Stands for the package n8n-workflow where the node's build is run without n8n. Sleeps are told, not slept. */

export const NodeConnectionTypes = { Main: "main" } as const;

/** How long was slept, in milliseconds, in order. */
export const sleeps: number[] = [];

export async function sleep(ms: number): Promise<void> {
  sleeps.push(ms);
}

interface Options {
  message?: string;
  description?: string;
  httpCode?: string;
  itemIndex?: number;
}

export class NodeOperationError extends Error {
  readonly description: string | undefined;

  constructor(_node: unknown, error: Error | string, options: Options = {}) {
    super(options.message ?? (typeof error === "string" ? error : error.message));
    this.description = options.description;
  }
}

export class NodeApiError extends Error {
  readonly description: string | undefined;
  readonly httpCode: string | null;

  constructor(_node: unknown, _response: object, options: Options = {}) {
    super(options.message);
    this.description = options.description;
    this.httpCode = options.httpCode ?? null;
  }
}

/** Reads and changes of the API as hooks: what is shown is kept fresh by live events, and asked again after a change. */
import { notifications } from "@mantine/notifications";
import {
  keepPreviousData,
  MutationCache,
  QueryCache,
  QueryClient,
  useInfiniteQuery,
  useMutation,
  useQuery,
  useQueryClient,
} from "@tanstack/react-query";
import { ApiProblem, call, type Method, type Query, withQuery } from "./api.ts";

/** Live events bring changes at once; this is the floor for what they do not tell. */
const STALE_AFTER_MS = 5_000;
const ASK_AGAIN_EVERY_MS = 30_000;

/** Whoever is told that the session is over asks who is logged in: then the login comes up, over what is there. */
function onError(error: Error, query?: { queryKey: readonly unknown[] }): void {
  if (!(error instanceof ApiProblem) || error.status !== 401 || query?.queryKey[1] === SESSION) return;
  void queryClient.invalidateQueries({ queryKey: ["api", SESSION] });
}
const SESSION = "/session";

export const queryClient = new QueryClient({
  queryCache: new QueryCache({ onError: (error, query) => onError(error, query) }),
  mutationCache: new MutationCache({ onError: (error) => onError(error) }),
  defaultOptions: {
    queries: {
      staleTime: STALE_AFTER_MS,
      refetchInterval: ASK_AGAIN_EVERY_MS,
      retry: (count, error) => !(error instanceof ApiProblem && error.status < 500) && count < 2,
    },
  },
});

/** One answer. `null` as path: nothing is asked yet. `keep`: what was there stays until the next answer is. */
export function useApi<Answer>(path: string | null, query: Query = {}, { keep = false } = {}) {
  return useQuery<Answer>({
    queryKey: ["api", path, query],
    queryFn: () => call<Answer>("GET", withQuery(path ?? "", query)),
    enabled: path !== null,
    ...(keep ? { placeholderData: keepPreviousData } : {}),
  });
}

type Page = { next_cursor: string | null };

/** A list of the API, page after page; `plural` is the member that holds the rows. */
export function useList<Row>(path: string, plural: string, query: Query = {}) {
  const pages = useInfiniteQuery({
    queryKey: ["api", path, "list", query],
    queryFn: ({ pageParam }) =>
      call<Page & Record<string, Row[]>>("GET", withQuery(path, { limit: 50, ...query, cursor: pageParam })),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
  });
  return { ...pages, rows: (pages.data?.pages ?? []).flatMap((page) => page[plural] ?? []) };
}

/** A change: tells how it went, and has everything that is shown asked again, unless it was simply refused. */
export function useAction<Input, Answer = unknown>(
  request: (input: Input) => {
    method: Method;
    path: string;
    body?: unknown;
    headers?: Readonly<Record<string, string>>;
  },
  done: string | ((answer: Answer) => string),
) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (input: Input) => {
      const { method, path, body, headers } = request(input);
      return call<Answer>(method, path, body, headers);
    },
    onSuccess: (answer) => {
      notifications.show({ color: "teal", message: typeof done === "string" ? done : done(answer) });
      return client.invalidateQueries({ queryKey: ["api"] });
    },
    onError: (error) => {
      notifications.show({ color: "red", title: error.message, message: hintOf(error) });
      // What is shown was no longer so, or the change would not have been refused for it.
      if (isOutdated(error)) void client.invalidateQueries({ queryKey: ["api"] });
    },
  });
}

/** Of an answer that is not an API's refusal: nobody is there. */
export function isUnreachable(error: Error | null): boolean {
  return error !== null && !(error instanceof ApiProblem);
}

function isOutdated(error: Error): boolean {
  return error instanceof ApiProblem && (error.status === 409 || error.status === 412);
}

function hintOf(error: Error): string {
  return error instanceof ApiProblem
    ? error.hint
    : "Whether it was done is unknown: look before you try again.";
}

/** Listens to the orchestrator's live events and has what is shown asked again. Shows nothing itself. */
import { useEffect, useState } from "react";
import { queryClient } from "./data.ts";

/** However much happens, what is shown is asked again so often at the most. */
const ASK_AGAIN_AFTER_MS = 1_000;
const COME_BACK_AFTER_MS = 3_000;

export interface Live {
  state: "connecting" | "live" | "lost";
  /** Of the last answer that is shown, when the connection was lost. */
  asOf: number | null;
}

/** Whether events arrive at present. Once they do again, everything that is shown is asked anew. */
export function useLive(): Live {
  const [live, setLive] = useState<Live>({ state: "connecting", asOf: null });
  useEffect(() => {
    let source: EventSource;
    let comeBack: ReturnType<typeof setTimeout> | undefined;
    let soon: ReturnType<typeof setTimeout> | undefined;
    let wasLost = false;
    const changed = () => {
      soon ??= setTimeout(() => {
        soon = undefined;
        void queryClient.invalidateQueries({ queryKey: ["api"], refetchType: "active" });
      }, ASK_AGAIN_AFTER_MS);
    };
    const listen = () => {
      source = new EventSource("/api/v1/events");
      source.onopen = () => {
        setLive({ state: "live", asOf: null });
        if (wasLost) void queryClient.invalidateQueries({ queryKey: ["api"] });
        wasLost = false;
      };
      source.onerror = () => {
        if (!wasLost) {
          setLive({ state: "lost", asOf: lastAnswerAt() });
          // Nobody there, or nobody whom the session still lets in: the one question that tells.
          void queryClient.invalidateQueries({ queryKey: ["api", "/session"] });
        }
        wasLost = true;
        // A refusal (a session that is over, too many streams) ends it for good: try anew.
        if (source.readyState === EventSource.CLOSED) comeBack = setTimeout(listen, COME_BACK_AFTER_MS);
      };
      source.addEventListener("cycle", changed);
    };
    listen();
    return () => {
      clearTimeout(comeBack);
      clearTimeout(soon);
      source.close();
    };
  }, []);
  return live;
}

function lastAnswerAt(): number {
  const times = queryClient
    .getQueryCache()
    .getAll()
    .map((query) => query.state.dataUpdatedAt);
  return Math.max(0, ...times);
}

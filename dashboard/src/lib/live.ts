/** Listens to the orchestrator's live events and has what is shown asked again. Shows nothing itself. */
import { useEffect, useState } from "react";
import { queryClient } from "./data.ts";

/** However much happens, what is shown is asked again so often at the most. */
const ASK_AGAIN_AFTER_MS = 1_000;
const COME_BACK_AFTER_MS = 3_000;

/** Whether events arrive at present. */
export function useLive(): boolean {
  const [live, setLive] = useState(false);
  useEffect(() => {
    let source: EventSource;
    let comeBack: ReturnType<typeof setTimeout> | undefined;
    let soon: ReturnType<typeof setTimeout> | undefined;
    const changed = () => {
      soon ??= setTimeout(() => {
        soon = undefined;
        void queryClient.invalidateQueries({ queryKey: ["api"], refetchType: "active" });
      }, ASK_AGAIN_AFTER_MS);
    };
    const listen = () => {
      source = new EventSource("/api/v1/events");
      source.onopen = () => setLive(true);
      source.onerror = () => {
        setLive(false);
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

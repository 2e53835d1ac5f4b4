/** A chart, drawn once the page's words and numbers stand there: it costs a browser more than all the rest. Keeps its place. */
import { Box } from "@mantine/core";
import { type ReactNode, Suspense, startTransition, useEffect, useState } from "react";

/** A page that is never idle draws its charts all the same. */
const WITHIN_MS = 500;

export function Drawing(props: {
  height: number;
  /** What it shows, for those who do not see it. */
  label: string;
  children: ReactNode;
}) {
  const [isDrawn, setDrawn] = useState(false);
  useEffect(() => whenIdle(() => startTransition(() => setDrawn(true))), []);
  return (
    <Box role="img" aria-label={props.label} mih={props.height}>
      <Suspense>{isDrawn && props.children}</Suspense>
    </Box>
  );
}

/** Returns how to take it back. Not every browser says when it is idle. */
function whenIdle(action: () => void): () => void {
  if (typeof requestIdleCallback === "undefined") {
    const timer = setTimeout(action, 0);
    return () => clearTimeout(timer);
  }
  const handle = requestIdleCallback(action, { timeout: WITHIN_MS });
  return () => cancelIdleCallback(handle);
}

/** Shows an answer once it is there; until then that it is coming, or why it is not. */
import { Skeleton, Stack } from "@mantine/core";
import type { ReactNode } from "react";
import { Problem } from "./Problem.tsx";

export function Fetched<Answer>(props: {
  of: { data: Answer | undefined; error: Error | null };
  children: (answer: Answer) => ReactNode;
}) {
  const { data, error } = props.of;
  // What was there before stays: one failed look is no reason to hide it.
  if (data !== undefined) return <>{props.children(data)}</>;
  if (error) return <Problem error={error} />;
  return (
    <Stack aria-busy="true" aria-label="loading">
      <Skeleton height={32} />
      <Skeleton height={120} />
    </Stack>
  );
}

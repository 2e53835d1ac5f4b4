/** A time as people say it, with the exact one behind it. */
import { Text, Tooltip } from "@mantine/core";
import { exact, relative } from "../lib/format.ts";

export function Moment({ at }: { at: string | null | undefined }) {
  if (!at) return <Text span>–</Text>;
  return (
    <Tooltip label={exact(at)}>
      <time dateTime={at}>{relative(at)}</time>
    </Tooltip>
  );
}

/** A time as people say it, with the exact one behind it. */
import { exact, relative } from "../lib/format.ts";

export function Moment({ at }: { at: string | null | undefined }) {
  if (!at) return "–";
  // The browser's own: a long table has a hundred of them, and a component's would cost more than the rest of its rows.
  return (
    <time dateTime={at} title={exact(at)}>
      {relative(at)}
    </time>
  );
}

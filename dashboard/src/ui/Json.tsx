/** A JSON value, readable; nothing at all for null. */
import { Code, Spoiler } from "@mantine/core";

export function Json({ value }: { value: unknown }) {
  if (value === null || value === undefined) return null;
  return (
    <Spoiler maxHeight={260} showLabel="Show all" hideLabel="Show less">
      <Code block style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}>
        {JSON.stringify(value, null, 2)}
      </Code>
    </Spoiler>
  );
}

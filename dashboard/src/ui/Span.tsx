/** From when to when, in UTC: two fields, each of which may stay empty. */
import { Group, TextInput } from "@mantine/core";

export interface Range {
  from?: string;
  to?: string;
}

export function Span({ range, onChange }: { range: Range; onChange: (range: Range) => void }) {
  const field = (name: "from" | "to", label: string) => (
    <TextInput
      type="datetime-local"
      label={label}
      value={range[name]?.slice(0, 16) ?? ""}
      onChange={(event) => {
        const { [name]: _, ...other } = range;
        const { value } = event.currentTarget;
        onChange(value === "" ? other : { ...other, [name]: `${value}:00Z` });
      }}
    />
  );
  return (
    <Group gap="xs" align="flex-end">
      {field("from", "From (UTC)")}
      {field("to", "To (UTC)")}
    </Group>
  );
}

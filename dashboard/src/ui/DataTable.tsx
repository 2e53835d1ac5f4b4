/** A table of rows: columns by name, words when there are none, a way to more. Usable by keyboard and on a phone. */
import { Button, Center, Skeleton, Stack, Table, Text } from "@mantine/core";
import type { ReactNode } from "react";
import { Problem } from "./Problem.tsx";

export interface Column<Row> {
  title: string;
  cell: (row: Row) => ReactNode;
  align?: "left" | "right";
}

export function DataTable<Row>(props: {
  label: string;
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  keyOf: (row: Row) => string;
  empty: string;
  loading?: boolean;
  error?: Error | null;
  more?: { has: boolean; loading: boolean; load: () => void };
}) {
  const { label, columns, rows, keyOf, empty, loading, error, more } = props;
  if (error && rows.length === 0) return <Problem error={error} />;
  if (loading && rows.length === 0) return <Skeleton height={160} aria-label="loading" />;
  if (rows.length === 0) {
    return (
      <Center p="xl">
        <Text c="dimmed">{empty}</Text>
      </Center>
    );
  }
  return (
    <Stack gap="xs" miw={0} maw="100%">
      <Table.ScrollContainer minWidth={Math.min(700, 110 * columns.length)}>
        <table className="rows" aria-label={label}>
          <thead>
            <tr>
              {columns.map(({ title, align }) => (
                <th key={title} className={align} scope="col">
                  {title}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr key={keyOf(row)}>
                {columns.map(({ title, cell, align }) => (
                  <td key={title} className={align}>
                    {cell(row)}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </Table.ScrollContainer>
      {more?.has && (
        <Button variant="default" onClick={more.load} loading={more.loading}>
          Show more
        </Button>
      )}
    </Stack>
  );
}

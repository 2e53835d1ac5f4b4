/** A titled part of a page. */
import { Card, Group, Stack, Title } from "@mantine/core";
import type { ReactNode } from "react";

export function Section(props: { title: string; actions?: ReactNode; children: ReactNode }) {
  return (
    <Card withBorder component="section" aria-label={props.title}>
      <Stack gap="sm">
        <Group justify="space-between">
          <Title order={2} size="h4">
            {props.title}
          </Title>
          {props.actions}
        </Group>
        {props.children}
      </Stack>
    </Card>
  );
}

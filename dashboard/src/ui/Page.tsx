/** What every page has: its title, what it is for, its actions. */
import { Group, Stack, Text, Title } from "@mantine/core";
import { type ReactNode, useEffect } from "react";

export function Page(props: { title: string; about?: string; actions?: ReactNode; children: ReactNode }) {
  const { title, about, actions, children } = props;
  useEffect(() => {
    document.title = `${title} · Master Orchestrator`;
  }, [title]);
  return (
    <Stack gap="lg" miw={0} style={{ overflowX: "auto" }}>
      <Group justify="space-between" align="flex-start">
        <div style={{ minWidth: 0, overflowWrap: "anywhere" }}>
          <Title order={1} size="h2">
            {title}
          </Title>
          {about !== undefined && (
            <Text c="dimmed" size="sm" maw={720}>
              {about}
            </Text>
          )}
        </div>
        {actions !== undefined && <Group gap="xs">{actions}</Group>}
      </Group>
      {children}
    </Stack>
  );
}

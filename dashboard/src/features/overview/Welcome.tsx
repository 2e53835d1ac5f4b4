/** Greets the user of an empty installation: one click, and the first articles are made before one's eyes. */
import { Anchor, Card, List, Stack, Text, Title } from "@mantine/core";
import type { EnqueueAnswer } from "@master-orchestrator/contract";
import { IconRocket } from "@tabler/icons-react";
import { useAction } from "../../lib/data.ts";
import { ActionButton } from "../../ui/ActionButton.tsx";
import { EXAMPLES } from "./examples.ts";

export function Welcome() {
  const load = useAction<void, EnqueueAnswer>(
    () => ({ method: "POST", path: "/tasks", body: { tasks: EXAMPLES.map(asTask) } }),
    ({ tasks }) => `${tasks.length} topics are in the queue: watch them become articles.`,
  );
  return (
    <Card withBorder padding="lg" component="section" aria-label="Welcome">
      <Stack align="flex-start">
        <Title order={2} size="h3">
          Welcome. Nothing has been asked for yet.
        </Title>
        <Text size="sm">
          Everything that this orchestrator does begins with a task. These examples become articles in a few
          seconds, without any key: they are composed from their own sources.
        </Text>
        <List size="sm">
          {EXAMPLES.map(({ title }) => (
            <List.Item key={title}>{title}</List.Item>
          ))}
        </List>
        <ActionButton
          size="sm"
          leftSection={<IconRocket size={16} aria-hidden />}
          onAct={() => load.mutate()}
          loading={load.isPending}
        >
          Load the examples
        </ActionButton>
        <Anchor href="/articles" size="sm">
          Read the articles
        </Anchor>
      </Stack>
    </Card>
  );
}

function asTask({ title, brief, keywords, text }: (typeof EXAMPLES)[number]) {
  return {
    workflow_type: "content_pipeline",
    content_type: "explainer",
    priority: 80,
    idempotency_key: `welcome-${title.toLowerCase().replaceAll(" ", "-")}`,
    payload: { title, brief, keywords, sources: [{ title: "The editors' notes", text }] },
  };
}

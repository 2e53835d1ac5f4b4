/** Dead letters by what went wrong: look at a group, try a redrive without doing it, send back all that match. */
import { Anchor, Code, Group, Text } from "@mantine/core";
import { useState } from "react";
import { useAction, useList } from "../../lib/data.ts";
import { count } from "../../lib/format.ts";
import type { DeadLetter, DeadLetterGroup, RedriveAnswer } from "../../lib/wire.ts";
import { ActionButton } from "../../ui/ActionButton.tsx";
import { DataTable } from "../../ui/DataTable.tsx";
import { IdLink } from "../../ui/IdLink.tsx";
import { Moment } from "../../ui/Moment.tsx";
import { Page } from "../../ui/Page.tsx";
import { Section } from "../../ui/Section.tsx";

export function DeadLettersPage() {
  const [fingerprint, setFingerprint] = useState<string | null>(null);
  const groups = useList<DeadLetterGroup>("/dead-letters/groups", "groups");
  return (
    <Page
      title="Dead letters"
      about="Tasks that are out of attempts, by the kind of their last error. A redrive puts them into the queue again."
    >
      <Section title="By error">
        <DataTable
          label="Groups"
          rows={groups.rows}
          keyOf={(group) => group.fingerprint}
          loading={groups.isPending}
          error={groups.error}
          empty="There are none."
          more={{
            has: groups.hasNextPage,
            loading: groups.isFetchingNextPage,
            load: () => void groups.fetchNextPage(),
          }}
          columns={[
            { title: "Error", cell: (group) => <ErrorOf group={group} /> },
            { title: "Workflows", cell: (group) => group.workflow_types.join(", ") },
            { title: "Tasks", cell: (group) => count(group.count), align: "right" },
            { title: "Last", cell: (group) => <Moment at={group.last_seen} /> },
            {
              title: "",
              cell: (group) => (
                <Group gap="xs" wrap="nowrap">
                  <Anchor
                    component="button"
                    type="button"
                    size="sm"
                    onClick={() => setFingerprint(group.fingerprint)}
                  >
                    Show
                  </Anchor>
                  <Redrive group={group} />
                </Group>
              ),
            },
          ]}
        />
      </Section>
      {fingerprint !== null && <Letters fingerprint={fingerprint} />}
    </Page>
  );
}

function ErrorOf({ group }: { group: DeadLetterGroup }) {
  return (
    <>
      <Text size="sm" lineClamp={2}>
        {group.message}
      </Text>
      <Text size="xs" c="dimmed">
        <Code>{group.code}</Code> {group.fingerprint}
      </Text>
    </>
  );
}

function Redrive({ group: { fingerprint, count: tasks } }: { group: DeadLetterGroup }) {
  const request = (dryRun: boolean) => ({
    method: "POST" as const,
    path: "/dead-letters/redrive",
    body: { filter: { fingerprint }, dry_run: dryRun },
  });
  const attempt = useAction<void, RedriveAnswer>(
    () => request(true),
    (answer) => `${count(answer.count)} would be sent back, ${count(answer.left)} would stay.`,
  );
  const redrive = useAction<void, RedriveAnswer>(
    () => request(false),
    (answer) => `${count(answer.count)} are in the queue again, ${count(answer.left)} are left.`,
  );
  return (
    <>
      <ActionButton variant="default" onAct={() => attempt.mutate()}>
        Dry run
      </ActionButton>
      <ActionButton
        variant="light"
        color="indigo"
        ask={`${count(tasks)} tasks go into the queue again.`}
        onAct={() => redrive.mutate()}
      >
        Redrive
      </ActionButton>
    </>
  );
}

function Letters({ fingerprint }: { fingerprint: string }) {
  const letters = useList<DeadLetter>("/dead-letters", "dead_letters", { fingerprint });
  const redrive = useAction<string, RedriveAnswer>(
    (taskId) => ({ method: "POST", path: "/dead-letters/redrive", body: { task_ids: [taskId] } }),
    "It is in the queue again.",
  );
  return (
    <Section title={`Tasks with this error (${fingerprint})`}>
      <DataTable
        label="Dead letters"
        rows={letters.rows}
        keyOf={(letter) => letter.task_id}
        loading={letters.isPending}
        error={letters.error}
        empty="None any more."
        more={{
          has: letters.hasNextPage,
          loading: letters.isFetchingNextPage,
          load: () => void letters.fetchNextPage(),
        }}
        columns={[
          {
            title: "Task",
            cell: (letter) => <IdLink to="/queue" id={letter.task_id} />,
          },
          { title: "Lane", cell: (letter) => `${letter.workflow_type}/${letter.content_type}` },
          { title: "Last error", cell: (letter) => letter.errors.at(-1)?.message ?? "–" },
          { title: "Died", cell: (letter) => <Moment at={letter.completed_at} /> },
          {
            title: "",
            cell: (letter) => (
              <ActionButton variant="subtle" onAct={() => redrive.mutate(letter.task_id)}>
                Redrive
              </ActionButton>
            ),
          },
        ]}
      />
    </Section>
  );
}

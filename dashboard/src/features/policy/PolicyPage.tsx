/** The policy: edit it as JSON, see what would change, save it with a reason; its history, and the way back. */
import { Button, Code, Group, JsonInput, Text, TextInput } from "@mantine/core";
import { useState } from "react";
import { useAction, useApi, useList } from "../../lib/data.ts";
import { useMay } from "../../lib/session.tsx";
import type { PolicyVersion } from "../../lib/wire.ts";
import { ActionButton } from "../../ui/ActionButton.tsx";
import { DataTable } from "../../ui/DataTable.tsx";
import { Fetched } from "../../ui/Fetched.tsx";
import { Moment } from "../../ui/Moment.tsx";
import { Page } from "../../ui/Page.tsx";
import { Problem } from "../../ui/Problem.tsx";
import { Section } from "../../ui/Section.tsx";
import { type Change, changesOf } from "./changes.ts";

export function PolicyPage() {
  const policy = useApi<PolicyVersion>("/policy");
  return (
    <Page
      title="Policy"
      about="Everything that may be changed about how decisions are made. A change takes effect at the next cycle."
    >
      <Fetched of={policy}>{(current) => <Editor key={current.version} current={current} />}</Fetched>
      <History />
    </Page>
  );
}

function Editor({ current }: { current: PolicyVersion }) {
  const may = useMay("operator");
  const [text, setText] = useState(() => JSON.stringify(current.policy, null, 2));
  const [comment, setComment] = useState("");
  const { draft, problem } = read(text);
  const changes = draft === null ? [] : changesOf(current.policy, draft);
  const save = useAction(
    () => ({
      method: "PUT",
      path: "/policy",
      body: { policy: draft, ...(comment === "" ? {} : { comment }) },
    }),
    "The policy is changed.",
  );
  return (
    <Section title={`Version ${current.version}`}>
      <Text size="sm" c="dimmed">
        By {current.changed_by}, <Moment at={current.changed_at} />
        {current.comment && `: ${current.comment}`}
      </Text>
      <JsonInput
        aria-label="Policy"
        autosize
        minRows={12}
        maxRows={28}
        value={text}
        onChange={setText}
        readOnly={!may}
        error={problem}
      />
      {changes.length > 0 && <Changes changes={changes} />}
      {save.error && <Problem error={save.error} />}
      {may && (
        <Group align="flex-end">
          <TextInput
            label="Why"
            value={comment}
            onChange={(event) => setComment(event.currentTarget.value)}
            flex={1}
            maxLength={1000}
          />
          <Button
            onClick={() => save.mutate(undefined)}
            disabled={changes.length === 0}
            loading={save.isPending}
          >
            Save {changes.length === 1 ? "1 change" : `${changes.length} changes`}
          </Button>
        </Group>
      )}
    </Section>
  );
}

function read(text: string): { draft: Record<string, unknown> | null; problem: string | null } {
  try {
    const draft: unknown = JSON.parse(text);
    if (typeof draft === "object" && draft !== null && !Array.isArray(draft)) {
      return { draft: draft as Record<string, unknown>, problem: null };
    }
    return { draft: null, problem: "has to be an object" };
  } catch (error) {
    return { draft: null, problem: (error as Error).message };
  }
}

function Changes({ changes }: { changes: readonly Change[] }) {
  return (
    <DataTable
      label="What would change"
      rows={changes}
      keyOf={(change) => change.path}
      empty=""
      columns={[
        { title: "What would change", cell: (change) => <Code>{change.path}</Code> },
        { title: "From", cell: (change) => JSON.stringify(change.from) ?? "–" },
        { title: "To", cell: (change) => JSON.stringify(change.to) ?? "as it is" },
      ]}
    />
  );
}

function History() {
  const versions = useList<PolicyVersion>("/policy/history", "versions");
  const rollback = useAction<number>(
    (version) => ({ method: "POST", path: "/policy/rollback", body: { version } }),
    "The earlier policy is in force again, as a new version.",
  );
  return (
    <Section title="History">
      <DataTable
        label="Versions"
        rows={versions.rows}
        keyOf={(version) => String(version.version)}
        loading={versions.isPending}
        error={versions.error}
        empty="There is none."
        more={{
          has: versions.hasNextPage,
          loading: versions.isFetchingNextPage,
          load: () => void versions.fetchNextPage(),
        }}
        columns={[
          { title: "Version", cell: (version) => version.version, align: "right" },
          { title: "When", cell: (version) => <Moment at={version.changed_at} /> },
          { title: "Who", cell: (version) => version.changed_by },
          { title: "Why", cell: (version) => version.comment ?? "–" },
          {
            title: "",
            cell: ({ version }) => (
              <ActionButton
                variant="subtle"
                color="indigo"
                ask={`The policy of version ${version} comes into force again.`}
                onAct={() => rollback.mutate(version)}
              >
                Roll back to it
              </ActionButton>
            ),
          },
        ]}
      />
    </Section>
  );
}

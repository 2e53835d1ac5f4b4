/** The policy as JSON: what a draft would change, what would have come of it, saved with a reason. Loses no draft. */
import { Alert, Button, Code, Group, JsonInput, Text, TextInput } from "@mantine/core";
import { useState } from "react";
import { useAction } from "../../lib/data.ts";
import { useMay } from "../../lib/session.tsx";
import type { PolicyVersion } from "../../lib/wire.ts";
import { DataTable } from "../../ui/DataTable.tsx";
import { Moment } from "../../ui/Moment.tsx";
import { Problem } from "../../ui/Problem.tsx";
import { Section } from "../../ui/Section.tsx";
import { type Change, changesOf, contested, withChanges } from "./changes.ts";
import { Preview } from "./Preview.tsx";

type Part = Record<string, unknown>;

/** The version that a draft was begun upon stays its own until the draft is given up, saved or carried over. */
export function Editor({ current }: { current: PolicyVersion }) {
  const [base, setBase] = useState(current);
  const [text, setText] = useState(() => written(current.policy));
  const [comment, setComment] = useState("");
  const { draft, problem } = read(text);
  const changes = draft === null ? [] : changesOf(base.policy, draft);
  const outdated = current.version > base.version;
  const begin = (upon: PolicyVersion, mine: readonly Change[] = []) => {
    setBase(upon);
    setText(written(withChanges(upon.policy, mine)));
  };
  if (outdated && changes.length === 0 && problem === null) begin(current);
  return (
    <Section title={`Version ${base.version}`}>
      <Text size="sm" c="dimmed">
        By {base.changed_by}, <Moment at={base.changed_at} />
        {base.comment && `: ${base.comment}`}
      </Text>
      <Document text={text} onChange={setText} problem={problem} />
      {outdated && <Conflict base={base} current={current} mine={changes} begin={begin} />}
      {changes.length > 0 && <Changes changes={changes} />}
      {changes.length > 0 && draft !== null && <Preview draft={draft} />}
      <Save
        {...{ base, draft, changes, comment, setComment }}
        onSaved={(saved) => {
          setComment("");
          begin(saved);
        }}
      />
    </Section>
  );
}

function written(policy: unknown): string {
  return JSON.stringify(policy, null, 2);
}

function read(text: string): { draft: Part | null; problem: string | null } {
  try {
    const draft: unknown = JSON.parse(text);
    if (typeof draft === "object" && draft !== null && !Array.isArray(draft)) {
      return { draft: draft as Part, problem: null };
    }
    return { draft: null, problem: "has to be an object" };
  } catch (error) {
    return { draft: null, problem: (error as Error).message };
  }
}

function Document(props: { text: string; onChange: (text: string) => void; problem: string | null }) {
  const may = useMay("admin");
  return (
    <JsonInput
      aria-label="Policy"
      autosize
      minRows={12}
      maxRows={28}
      value={props.text}
      onChange={props.onChange}
      readOnly={!may}
      error={props.problem}
    />
  );
}

function Conflict(props: {
  base: PolicyVersion;
  current: PolicyVersion;
  mine: readonly Change[];
  begin: (upon: PolicyVersion, mine?: readonly Change[]) => void;
}) {
  const { base, current, mine, begin } = props;
  const both = contested(mine, changesOf(base.policy, current.policy));
  return (
    <Alert
      color="orange"
      variant="outline"
      title="Somebody else has changed the policy meanwhile"
      role="alert"
    >
      <Text size="sm">
        {current.changed_by} has put version {current.version} into force
        {current.comment && ` (${current.comment})`}. Your changes below are kept; they were made upon version{" "}
        {base.version}.{" "}
        {both.length === 0
          ? "They do not touch what was changed."
          : `Both of you have changed ${both.map(({ path }) => path).join(", ")}.`}
      </Text>
      <Group mt="sm">
        <Button size="xs" variant="default" onClick={() => begin(current, mine)}>
          Make my changes upon version {current.version}
        </Button>
        <Button size="xs" variant="subtle" color="red" onClick={() => begin(current)}>
          Give up my changes
        </Button>
      </Group>
    </Alert>
  );
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

function Save(props: {
  base: PolicyVersion;
  draft: Part | null;
  changes: readonly Change[];
  comment: string;
  setComment: (comment: string) => void;
  onSaved: (saved: PolicyVersion) => void;
}) {
  const { base, draft, changes, comment, setComment, onSaved } = props;
  const may = useMay("admin");
  const save = useAction<void, PolicyVersion>(
    () => ({
      method: "PUT",
      path: "/policy",
      body: { policy: draft, ...(comment === "" ? {} : { comment }) },
      headers: { "if-match": `"${base.version}"` },
    }),
    "The policy is changed.",
  );
  if (!may) return <Text size="sm">Only an administrator may change the policy.</Text>;
  return (
    <>
      {save.error && changes.length > 0 && <Problem error={save.error} />}
      <Group align="flex-end">
        <TextInput
          label="Why"
          value={comment}
          onChange={(event) => setComment(event.currentTarget.value)}
          flex={1}
          maxLength={1000}
        />
        <Button
          onClick={() => save.mutate(undefined, { onSuccess: onSaved })}
          disabled={changes.length === 0}
          loading={save.isPending}
        >
          Save {changes.length === 1 ? "1 change" : `${changes.length} changes`}
        </Button>
      </Group>
    </>
  );
}

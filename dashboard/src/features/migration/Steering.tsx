/** What a person may do about a migration: go on, set the share, go back, decide about an edit. Asks before it hurts. */
import { Alert, Group, List, Slider, Stack, Switch, Text } from "@mantine/core";
import type { Migration } from "@master-orchestrator/contract";
import { IconPencil } from "@tabler/icons-react";
import { useState } from "react";
import { useAction } from "../../lib/data.ts";
import { useMay } from "../../lib/session.tsx";
import { ActionButton } from "../../ui/ActionButton.tsx";
import { mayForce, rollbackQuestion, stepText } from "./texts.ts";

/** Operators may look and go back; changing what runs in n8n is for admins. */
const BY_ADMINS = { role: "admin" } as const;

interface Part {
  migration: Migration;
  path: string;
}

const told = ({ state, cause }: Migration) =>
  state === "changing" ? `It is on its way${cause ? `: ${cause}` : "."}` : "It is done.";

export function GoOn({ migration, path }: Part) {
  const { next, next_opens: opens, next_cause: cause, name } = migration;
  const advance = useAction<boolean, Migration>(
    (force) => ({ method: "POST", path: `${path}/advance`, body: { force } }),
    told,
  );
  if (next === null) return <Text size="sm">It has arrived: no step is left.</Text>;
  return (
    <Group gap="sm">
      <ActionButton
        {...BY_ADMINS}
        color="indigo"
        disabled={!opens}
        loading={advance.isPending}
        ask={`"${name}" goes on to: ${stepText(next)}. n8n is changed for it; a breached gate takes it back by itself.`}
        onAct={() => advance.mutate(false)}
      >
        Advance to {stepText(next)}
      </ActionButton>
      {mayForce(migration) && (
        <ActionButton
          {...BY_ADMINS}
          variant="light"
          color="orange"
          loading={advance.isPending}
          ask={`The gates have not seen enough runs yet (${cause ?? "waiting"}). "${name}" goes on to ${stepText(next)} all the same.`}
          onAct={() => advance.mutate(true)}
        >
          Advance anyway
        </ActionButton>
      )}
      {!opens && (
        <Text size="sm" c="dimmed">
          Not open yet: {cause}
        </Text>
      )}
    </Group>
  );
}

export function Share({ migration, path }: Part) {
  const [percent, setPercent] = useState(migration.share_percent);
  const set = useAction<number, Migration>(
    (share_percent) => ({ method: "POST", path: `${path}/share`, body: { share_percent } }),
    told,
  );
  const may = useMay("admin");
  if (migration.mode !== "share") return null;
  return (
    <Stack gap={4}>
      <Text size="sm" fw={600} id="share">
        Runs by the phase: {percent} %
      </Text>
      <Group align="center" gap="lg">
        <Slider
          flex={1}
          maw={480}
          mb="md"
          min={1}
          max={99}
          value={percent}
          onChange={setPercent}
          disabled={!may}
          aria-labelledby="share"
          marks={[5, 25, 50, 75, 95].map((value) => ({ value, label: `${value} %` }))}
        />
        <ActionButton
          {...BY_ADMINS}
          disabled={percent === migration.share_percent}
          loading={set.isPending}
          onAct={() => set.mutate(percent)}
        >
          Set to {percent} %
        </ActionButton>
      </Group>
    </Stack>
  );
}

export function GoBack({ migration, path }: Part) {
  const edited = migration.state === "edited";
  const roll = useAction<undefined, Migration>(
    () => ({ method: "POST", path: `${path}/rollback`, body: { force: edited } }),
    ({ state }) =>
      state === "rollback_pending" ? "The original goes back as soon as n8n answers." : "It goes back.",
  );
  const over =
    migration.phase === 0 || migration.state === "rolled_back" || migration.state === "rollback_pending";
  return (
    <ActionButton
      color="red"
      variant="light"
      disabled={over}
      loading={roll.isPending}
      ask={rollbackQuestion(migration)}
      onAct={() => roll.mutate(undefined)}
    >
      Roll back
    </ActionButton>
  );
}

export function ByItself({ migration, path }: Part) {
  const set = useAction<boolean, Migration>(
    (auto_advance) => ({ method: "PATCH", path, body: { auto_advance } }),
    ({ auto_advance }) =>
      auto_advance ? "It takes the next step as soon as its gates open." : "It waits for a person.",
  );
  return (
    <Switch
      label="Takes the next step by itself"
      checked={migration.auto_advance}
      disabled={!useMay("admin") || set.isPending}
      onChange={(event) => set.mutate(event.currentTarget.checked)}
    />
  );
}

export function Edited({ migration, path }: Part) {
  const resolve = useAction<"merge" | "ours", Migration>(
    (take) => ({ method: "POST", path: `${path}/resolve`, body: { take } }),
    told,
  );
  if (migration.state !== "edited") return null;
  return (
    <Alert
      color="yellow"
      icon={<IconPencil aria-hidden />}
      title="Somebody has changed it in n8n"
      role="alert"
    >
      <Text size="sm">Nothing of ours is written until you decide.</Text>
      <List size="sm" my="xs">
        {migration.edits.map((edit) => (
          <List.Item key={edit}>{edit}</List.Item>
        ))}
      </List>
      <Group gap="xs">
        <ActionButton
          {...BY_ADMINS}
          color="indigo"
          loading={resolve.isPending}
          ask="The edit becomes part of the original, which gets a new version, and of what runs now."
          onAct={() => resolve.mutate("merge")}
        >
          Keep the edit
        </ActionButton>
        <ActionButton
          {...BY_ADMINS}
          color="red"
          variant="light"
          loading={resolve.isPending}
          ask="What was edited in n8n is dropped, and cannot be brought back from here."
          onAct={() => resolve.mutate("ours")}
        >
          Drop the edit
        </ActionButton>
      </Group>
    </Alert>
  );
}

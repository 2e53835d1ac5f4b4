/** What nobody is told of, and until when; each can be ended early. */
import { Group, Switch, Text } from "@mantine/core";
import type { Silence } from "@master-orchestrator/contract";
import { useState } from "react";
import { useAction, useList } from "../../lib/data.ts";
import { words } from "../../lib/format.ts";
import { ActionButton } from "../../ui/ActionButton.tsx";
import { DataTable } from "../../ui/DataTable.tsx";
import { Moment } from "../../ui/Moment.tsx";

export function Silences() {
  const [all, setAll] = useState(false);
  const silences = useList<Silence>("/alerts/silences", "silences", { all: String(all) });
  const end = useAction<string>(
    (id) => ({ method: "DELETE", path: `/alerts/silences/${id}` }),
    "What still fires is told again.",
  );
  return (
    <>
      <Group justify="space-between" mb="sm">
        <Text size="sm" c="dimmed">
          An alert is silenced from its own page.
        </Text>
        <Switch
          label="Those that are over as well"
          checked={all}
          onChange={(event) => setAll(event.currentTarget.checked)}
        />
      </Group>
      <DataTable
        label="Silences"
        rows={silences.rows}
        keyOf={(silence) => silence.silence_id}
        loading={silences.isPending}
        error={silences.error}
        empty="Nothing is silenced."
        more={{
          has: silences.hasNextPage,
          loading: silences.isFetchingNextPage,
          load: () => void silences.fetchNextPage(),
        }}
        columns={[
          { title: "About", cell: ({ match }) => aboutOf(match) },
          { title: "Why", cell: (silence) => silence.comment },
          { title: "State", cell: (silence) => silence.state },
          { title: "Open alerts", cell: (silence) => silence.matches, align: "right" },
          { title: "Ends", cell: (silence) => <Moment at={silence.ends_at} /> },
          { title: "By", cell: (silence) => silence.ended_by ?? silence.created_by },
          {
            title: "",
            cell: (silence) =>
              silence.state === "ended" ? null : (
                <ActionButton
                  variant="subtle"
                  ask="What still fires is told at the next look."
                  onAct={() => end.mutate(silence.silence_id)}
                >
                  End now
                </ActionButton>
              ),
          },
        ]}
      />
    </>
  );
}

function aboutOf({ rule, severity, labels }: Silence["match"]): string {
  const named = Object.entries(labels ?? {}).map(([name, value]) => `${words(name)} ${value}`);
  return [rule && words(rule), severity, ...named].filter(Boolean).join(", ");
}

/** The policy: its editor, its history, and the way back. */
import { useAction, useApi, useList } from "../../lib/data.ts";
import type { PolicyVersion } from "../../lib/wire.ts";
import { ActionButton } from "../../ui/ActionButton.tsx";
import { DataTable } from "../../ui/DataTable.tsx";
import { Fetched } from "../../ui/Fetched.tsx";
import { Moment } from "../../ui/Moment.tsx";
import { Page } from "../../ui/Page.tsx";
import { Section } from "../../ui/Section.tsx";
import { Editor } from "./Editor.tsx";

export function PolicyPage() {
  const policy = useApi<PolicyVersion>("/policy");
  return (
    <Page
      title="Policy"
      about="Everything that may be changed about how decisions are made. A change takes effect at the next cycle."
    >
      <Fetched of={policy}>{(current) => <Editor current={current} />}</Fetched>
      <History />
    </Page>
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
                needs="admin"
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

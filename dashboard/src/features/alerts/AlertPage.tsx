/** One alert: what is wrong, what became of it, who was told; acknowledge it, end it, silence its like. */
import { Anchor, Button, Group, Text, Textarea, Timeline } from "@mantine/core";
import type { AlertDetail } from "@master-orchestrator/contract";
import { useState } from "react";
import { Link } from "react-router";
import { useAction, useApi } from "../../lib/data.ts";
import { words } from "../../lib/format.ts";
import { useMay } from "../../lib/session.tsx";
import { ActionButton } from "../../ui/ActionButton.tsx";
import { DataTable } from "../../ui/DataTable.tsx";
import { Fetched } from "../../ui/Fetched.tsx";
import { Moment } from "../../ui/Moment.tsx";
import { Page } from "../../ui/Page.tsx";
import { Section } from "../../ui/Section.tsx";
import { AlertStates, SeverityBadge } from "./Marks.tsx";
import { SilenceForm } from "./SilenceForm.tsx";

export function AlertPage({ id }: { id: string }) {
  const alert = useApi<AlertDetail>(`/alerts/${id}`);
  return (
    <Page
      title={alert.data ? words(alert.data.rule) : "Alert"}
      actions={
        <Anchor component={Link} to="/alerts">
          All alerts
        </Anchor>
      }
    >
      <Fetched of={alert}>
        {(shown) => (
          <>
            <Facts alert={shown} />
            {shown.investigation && <Investigation of={shown.investigation} />}
            <History alert={shown} />
            <Told alert={shown} />
          </>
        )}
      </Fetched>
    </Page>
  );
}

function Facts({ alert }: { alert: AlertDetail }) {
  const subject = Object.entries(alert.labels);
  return (
    <Section title="What is wrong">
      <Group gap="xs">
        <SeverityBadge severity={alert.severity} />
        <AlertStates alert={alert} />
      </Group>
      <Text>{alert.words}</Text>
      {subject.length > 0 && (
        <Text size="sm" c="dimmed">
          {subject.map(([name, value]) => `${words(name)}: ${value}`).join(", ")}
        </Text>
      )}
      {alert.summary && <Text>{alert.summary}</Text>}
      {alert.no_data_since && (
        <Text size="sm">
          Its figures are missing since <Moment at={alert.no_data_since} />: it neither fires nor resolves
          meanwhile.
        </Text>
      )}
      {alert.acknowledged_by && (
        <Text size="sm">
          {alert.acknowledged_by} looks after it since <Moment at={alert.acknowledged_at} />
          {alert.note && `: ${alert.note}`}
        </Text>
      )}
      {alert.state !== "resolved" && <Actions alert={alert} />}
    </Section>
  );
}

function Actions({ alert }: { alert: AlertDetail }) {
  const may = useMay("operator");
  const [note, setNote] = useState("");
  const [silencing, setSilencing] = useState(false);
  const act = useAction<"acknowledge" | "resolve">(
    (action) => ({
      method: "POST",
      path: `/alerts/${alert.alert_id}/${action}`,
      body: note.trim() === "" ? {} : { note: note.trim() },
    }),
    "It is noted.",
  );
  if (!may) return null;
  return (
    <>
      <Textarea
        label="Note"
        value={note}
        onChange={(event) => setNote(event.currentTarget.value)}
        maxLength={2000}
        autosize
      />
      <Group>
        {alert.acknowledged_at === null && (
          <ActionButton onAct={() => act.mutate("acknowledge")} loading={act.isPending}>
            Acknowledge
          </ActionButton>
        )}
        <Button size="xs" variant="default" onClick={() => setSilencing(true)}>
          Silence
        </Button>
        <ActionButton
          variant="light"
          color="red"
          ask="It ends now; while its condition holds it begins anew."
          onAct={() => act.mutate("resolve")}
          loading={act.isPending}
        >
          End it
        </ActionButton>
      </Group>
      {silencing && (
        <SilenceForm rule={alert.rule} labels={alert.labels} onClose={() => setSilencing(false)} />
      )}
    </>
  );
}

function Investigation({ of }: { of: NonNullable<AlertDetail["investigation"]> }) {
  return (
    <Section
      title="What was found"
      actions={
        <Anchor component={Link} to={`/queue/${of.task_id}`} size="sm">
          The task
        </Anchor>
      }
    >
      {of.finding && <Text fw={600}>{of.finding.headline}</Text>}
      {of.finding?.words.map((line) => (
        <Text key={line} size="sm">
          {line}
        </Text>
      ))}
      <Text size="sm" c="dimmed">
        {of.error}
        {of.finding && `Confidence: ${of.finding.confidence}.`}
        {of.ended_at === null && (
          <>
            The intelligence engine looks into it once its day is over, <Moment at={of.due_at} />.
          </>
        )}
      </Text>
    </Section>
  );
}

function History({ alert }: { alert: AlertDetail }) {
  return (
    <Section title="History">
      <Timeline bulletSize={14} active={alert.transitions.length}>
        {alert.transitions.map((step) => (
          <Timeline.Item key={`${step.at} ${step.to}`} title={step.to}>
            <Text size="sm">{step.reason}</Text>
            <Text size="xs" c="dimmed">
              <Moment at={step.at} />, by {step.actor}
            </Text>
          </Timeline.Item>
        ))}
      </Timeline>
    </Section>
  );
}

function Told({ alert }: { alert: AlertDetail }) {
  return (
    <Section title="Who was told">
      <DataTable
        label="Messages"
        rows={alert.notifications}
        keyOf={(one) => one.notification_id}
        empty="Nobody yet."
        columns={[
          { title: "Channel", cell: (one) => one.channel },
          { title: "What", cell: (one) => words(one.kind) },
          { title: "State", cell: (one) => one.state },
          { title: "Tries", cell: (one) => one.tries, align: "right" },
          { title: "When", cell: (one) => <Moment at={one.delivered_at ?? one.due_at} /> },
          { title: "Trouble", cell: (one) => one.last_error ?? "–" },
        ]}
      />
    </Section>
  );
}

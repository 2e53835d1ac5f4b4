/** The first page: a verdict in words, its causes, the causes ruled out, and the day in figures. */
import { Accordion, Alert, Anchor, Card, Group, List, Progress, SimpleGrid, Text } from "@mantine/core";
import type { Overview as Answer } from "@master-orchestrator/contract";
import { IconAlertTriangle, IconCircleCheck, IconUrgent } from "@tabler/icons-react";
import { Link } from "react-router";
import { useAction, useApi } from "../../lib/data.ts";
import { count, counted, duration, usd } from "../../lib/format.ts";
import { ActionButton } from "../../ui/ActionButton.tsx";
import { Fetched } from "../../ui/Fetched.tsx";
import { Moment } from "../../ui/Moment.tsx";
import { Page } from "../../ui/Page.tsx";
import { Stat } from "../../ui/Stat.tsx";
import { StateBadge } from "../../ui/StateBadge.tsx";
import { Machine } from "./Machine.tsx";
import { Throughput } from "./Throughput.tsx";
import { Welcome } from "./Welcome.tsx";

const LOOKS = {
  healthy: { color: "teal", icon: IconCircleCheck },
  attention: { color: "yellow", icon: IconAlertTriangle },
  trouble: { color: "red", icon: IconUrgent },
} as const;

const PAGES: Record<Answer["verdict"]["causes"][number]["about"], string> = {
  orchestrator: "/decisions",
  recoveries: "/decisions",
  queue: "/queue",
  budget: "/resources",
  dead_letters: "/dead-letters",
  executions: "/executions",
  providers: "/resources",
  alerts: "/alerts",
};

export function Overview() {
  const overview = useApi<Answer>("/overview");
  return (
    <Page title="Overview" actions={overview.data && <Switch paused={overview.data.orchestrator.paused} />}>
      <Fetched of={overview}>
        {(answer) => (
          <>
            {answer.empty && <Welcome />}
            <Verdict verdict={answer.verdict} />
            <Figures answer={answer} />
            <Machine states={answer.states} />
            <Throughput />
          </>
        )}
      </Fetched>
    </Page>
  );
}

function Switch({ paused }: { paused: boolean }) {
  const act = useAction(
    () => ({ method: "POST", path: paused ? "/orchestrator/resume" : "/orchestrator/pause" }),
    paused ? "The orchestrator goes on." : "The orchestrator is paused: nothing more is admitted.",
  );
  const ask = paused
    ? {}
    : { ask: "Nothing more is admitted until somebody resumes it. What runs may finish." };
  return (
    <ActionButton
      variant="default"
      color="orange"
      {...ask}
      onAct={() => act.mutate(undefined)}
      loading={act.isPending}
    >
      {paused ? "Resume" : "Pause"}
    </ActionButton>
  );
}

function Verdict({ verdict }: { verdict: Answer["verdict"] }) {
  const { color, icon: Icon } = LOOKS[verdict.level];
  return (
    <Card withBorder padding="lg" component="section" aria-label="Verdict">
      <Alert
        variant="outline"
        color={color}
        icon={<Icon aria-hidden />}
        title={verdict.words}
        aria-live="polite"
      >
        {verdict.causes.length === 0 ? (
          <Text size="sm">Nothing needs a person.</Text>
        ) : (
          <List size="sm" listStyleType="none" spacing="xs">
            {verdict.causes.map(({ level, about, words }) => (
              <List.Item key={words}>
                <Group gap="xs" wrap="nowrap" align="flex-start">
                  <StateBadge state={level} />
                  <Anchor component={Link} to={PAGES[about]} size="sm" style={{ overflowWrap: "anywhere" }}>
                    {words}
                  </Anchor>
                </Group>
              </List.Item>
            ))}
          </List>
        )}
      </Alert>
      <Accordion variant="filled" mt="sm">
        <Accordion.Item value="ruled-out">
          <Accordion.Control>Looked at, and no cause ({verdict.ruled_out.length})</Accordion.Control>
          <Accordion.Panel>
            <List size="sm">
              {verdict.ruled_out.map((words) => (
                <List.Item key={words}>{words}</List.Item>
              ))}
            </List>
          </Accordion.Panel>
        </Accordion.Item>
      </Accordion>
    </Card>
  );
}

function Figures({ answer }: { answer: Answer }) {
  const { orchestrator, budget, articles, yesterday } = answer;
  const used = budget.settled_usd + budget.held_usd;
  return (
    <SimpleGrid cols={{ base: 1, xs: 2, md: 4 }}>
      <Stat
        name="State"
        value={<StateBadge state={orchestrator.state} />}
        note={`${orchestrator.replicas.length} ${orchestrator.replicas.length === 1 ? "replica" : "replicas"}`}
      />
      <Stat
        name="Running"
        value={count(orchestrator.running)}
        note={`${count(orchestrator.waiting)} waiting`}
      />
      <Stat
        name="Articles today"
        value={count(articles.today)}
        note={`${count(articles.last_hour)} in the last hour, on pace for ${count(articles.forecast_today)}`}
      />
      <Stat
        name="Spent today"
        value={usd(used)}
        note={`of ${usd(budget.cap_usd)}, forecast ${usd(budget.forecast_usd)}`}
      >
        <Progress.Root mt="xs">
          <Progress.Section
            value={100 * share(budget.settled_usd, budget.cap_usd)}
            color="indigo"
            aria-label="settled"
          />
          <Progress.Section
            value={100 * share(budget.held_usd, budget.cap_usd)}
            color="yellow"
            aria-label="held"
          />
        </Progress.Root>
      </Stat>
      <Stat
        name="Yesterday"
        value={
          <Anchor component={Link} to={`/resources?day=${yesterday.day}`} inherit>
            {usd(yesterday.cost_usd)}
          </Anchor>
        }
        note={`${counted(yesterday.completed, "task")}, ${counted(yesterday.articles, "article")}${
          yesterday.cost_per_article_usd === null ? "" : `, ${usd(yesterday.cost_per_article_usd)} each`
        }`}
      />
      <Stat
        name="Dead letters"
        value={
          <Anchor component={Link} to="/dead-letters" inherit>
            {count(answer.dead_letters)}
          </Anchor>
        }
        note={answer.dead_letters === 0 ? "nothing waits for a person" : "wait for a person"}
      />
      <Stat
        name="Heartbeat"
        value={<Moment at={orchestrator.next_tick} />}
        note={
          orchestrator.last_tick
            ? `the last one was ${duration(orchestrator.last_tick.drift_ms)} late`
            : "none yet"
        }
      />
    </SimpleGrid>
  );
}

function share(part: number, whole: number): number {
  return whole > 0 ? Math.min(1, part / whole) : 0;
}

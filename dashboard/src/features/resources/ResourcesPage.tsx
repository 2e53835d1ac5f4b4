/** What there is and how much of it is used: the day's budget, permits, connections, memory. */
import { Progress, SimpleGrid, Text } from "@mantine/core";
import { useApi } from "../../lib/data.ts";
import { count, percent, usd, words } from "../../lib/format.ts";
import type { Resources } from "../../lib/wire.ts";
import { DataTable } from "../../ui/DataTable.tsx";
import { Fetched } from "../../ui/Fetched.tsx";
import { Moment } from "../../ui/Moment.tsx";
import { Page } from "../../ui/Page.tsx";
import { Section } from "../../ui/Section.tsx";
import { Stat } from "../../ui/Stat.tsx";
import { Runway } from "./Runway.tsx";
import { Spending } from "./Spending.tsx";

export function ResourcesPage() {
  const resources = useApi<Resources>("/resources");
  return (
    <Page
      title="Resources"
      about="Limits hold in the data path: a call gets its permits and its money before it is sent."
    >
      <Fetched of={resources}>
        {(answer) => (
          <>
            <Budget budget={answer.budget} />
            <Runway budget={answer.budget} />
            <House resources={answer} />
            <Providers providers={answer.providers} />
          </>
        )}
      </Fetched>
      <Spending today={resources.data?.budget.day} />
    </Page>
  );
}

function Budget({ budget }: { budget: Resources["budget"] }) {
  const share = (usdAmount: number) =>
    budget.daily_usd > 0 ? Math.min(100, (100 * usdAmount) / budget.daily_usd) : 100;
  return (
    <Section title={`Budget of ${budget.day}`}>
      <Progress.Root size={26} autoContrast>
        <Progress.Section
          value={share(budget.settled_usd)}
          color="indigo"
          aria-label="Settled of the day's budget"
        >
          <Progress.Label>settled</Progress.Label>
        </Progress.Section>
        <Progress.Section value={share(budget.held_usd)} color="yellow" aria-label="Held of the day's budget">
          <Progress.Label>held</Progress.Label>
        </Progress.Section>
      </Progress.Root>
      <Text size="sm">
        {usd(budget.settled_usd)} settled, {usd(budget.held_usd)} held, {usd(budget.left_usd)} left of{" "}
        {usd(budget.daily_usd)}; forecast {usd(budget.forecast_usd)} (
        {percent(budget.daily_usd > 0 ? budget.forecast_usd / budget.daily_usd : null)})
      </Text>
      {budget.caps.length > 0 && (
        <DataTable
          label="Caps"
          rows={budget.caps}
          keyOf={(cap) => cap.scope}
          empty=""
          columns={[
            { title: "Cap", cell: (cap) => cap.scope },
            { title: "Used", cell: (cap) => usd(cap.used_usd), align: "right" },
            { title: "Of", cell: (cap) => usd(cap.cap_usd), align: "right" },
          ]}
        />
      )}
    </Section>
  );
}

function House({ resources: { database, memory } }: { resources: Resources }) {
  const rss = memory.largest_rss_mb;
  return (
    <SimpleGrid cols={{ base: 1, sm: 2 }}>
      <Stat
        name="Connections"
        value={`${database.in_use} of ${database.limit}`}
        note={`${database.open} open, ${database.waiting} wait for one`}
      >
        <Progress
          mt="xs"
          value={Math.min(100, (100 * database.in_use) / database.limit)}
          aria-label="Connections in use"
        />
      </Stat>
      <Stat
        name="Memory"
        value={rss === null ? "–" : `${count(rss)} MB`}
        note={`of ${count(memory.limit_mb)} MB, the largest of ${memory.replicas}`}
      >
        <Progress
          mt="xs"
          value={rss === null ? 0 : Math.min(100, (100 * rss) / memory.limit_mb)}
          aria-label="Memory used"
        />
      </Stat>
    </SimpleGrid>
  );
}

function Providers({ providers }: { providers: Resources["providers"] }) {
  return Object.entries(providers).map(([name, provider]) => (
    <Section key={name} title={name}>
      {provider.pauses.map((pause) => (
        <Text key={`${pause.model} ${pause.until}`} size="sm" c="red">
          Paused ({words(pause.kind)}
          {pause.model ? `, ${pause.model}` : ""}) until <Moment at={pause.until} />: {pause.message}
        </Text>
      ))}
      <DataTable
        label={`Limits of ${name}`}
        rows={provider.limits}
        keyOf={(limit) => limit.name}
        empty="It has no limits."
        columns={[
          { title: "Limit", cell: (limit) => `${words(limit.kind)}${limit.model ? `, ${limit.model}` : ""}` },
          { title: "Used", cell: (limit) => count(limit.used), align: "right" },
          { title: "Of", cell: (limit) => count(limit.limit), align: "right" },
          {
            title: "",
            cell: (limit) => (
              <Progress
                w={140}
                value={limit.limit > 0 ? Math.min(100, (100 * limit.used) / limit.limit) : 100}
                aria-label={`${limit.name} used`}
              />
            ),
          },
          {
            title: "Next free",
            cell: (limit) => (limit.next_free_at ? <Moment at={limit.next_free_at} /> : "now"),
          },
        ]}
      />
      {provider.waiting > 0 && <Text size="sm">{count(provider.waiting)} calls wait for a permit.</Text>}
    </Section>
  ));
}

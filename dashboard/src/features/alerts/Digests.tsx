/** Daily summaries and weekly reports, as they were sent. */
import { Accordion, Button, Center, List, Text } from "@mantine/core";
import type { Digest } from "@master-orchestrator/contract";
import { useList } from "../../lib/data.ts";
import { Problem } from "../../ui/Problem.tsx";

export function Digests() {
  const digests = useList<Digest>("/alerts/digests", "digests");
  if (digests.error && digests.rows.length === 0) return <Problem error={digests.error} />;
  if (digests.rows.length === 0) {
    return (
      <Center p="xl">
        <Text c="dimmed">
          {digests.isPending ? "…" : "None yet: the first is made when its time of day comes."}
        </Text>
      </Center>
    );
  }
  return (
    <>
      <Accordion variant="separated" defaultValue={digests.rows[0]?.digest_id ?? null}>
        {digests.rows.map(({ digest_id: id, title, lines }) => (
          <Accordion.Item key={id} value={id}>
            <Accordion.Control>{title}</Accordion.Control>
            <Accordion.Panel>
              <List size="sm">
                {lines.map((line) => (
                  <List.Item key={line}>{line}</List.Item>
                ))}
              </List>
            </Accordion.Panel>
          </Accordion.Item>
        ))}
      </Accordion>
      {digests.hasNextPage && (
        <Button variant="default" mt="sm" onClick={() => void digests.fetchNextPage()}>
          Show more
        </Button>
      )}
    </>
  );
}

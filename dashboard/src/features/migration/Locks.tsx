/** Locks of workflows on their own clock: who holds them, who waits, how often somebody went without. */
import { Text } from "@mantine/core";
import { useAction, useList } from "../../lib/data.ts";
import { count, percent } from "../../lib/format.ts";
import type { Lock } from "../../lib/wire.ts";
import { ActionButton } from "../../ui/ActionButton.tsx";
import { DataTable } from "../../ui/DataTable.tsx";
import { Moment } from "../../ui/Moment.tsx";

/** Of all that asked, how many went without. */
const contention = ({ grants, refusals }: Lock) =>
  grants + refusals === 0 ? null : refusals / (grants + refusals);

export function Locks() {
  const locks = useList<Lock>("/locks", "locks");
  const take = useAction<string>(
    (name) => ({ method: "POST", path: `/locks/${encodeURIComponent(name)}/break` }),
    "The lock is free.",
  );
  return (
    <DataTable
      label="Locks"
      rows={locks.rows}
      keyOf={(lock) => lock.name}
      loading={locks.isPending}
      error={locks.error}
      empty="No lock was ever asked for."
      more={{
        has: locks.hasNextPage,
        loading: locks.isFetchingNextPage,
        load: () => void locks.fetchNextPage(),
      }}
      columns={[
        { title: "Lock", cell: (lock) => lock.name },
        {
          title: "Held by",
          cell: (lock) =>
            lock.held ? (
              <Text size="sm">
                {lock.holder}, until <Moment at={lock.expires_at} />
              </Text>
            ) : (
              "–"
            ),
        },
        { title: "Waiting", cell: (lock) => count(lock.waiting), align: "right" },
        { title: "Granted", cell: (lock) => count(lock.grants), align: "right" },
        { title: "Went without", cell: (lock) => count(lock.refusals), align: "right" },
        { title: "Contention", cell: (lock) => percent(contention(lock)), align: "right" },
        { title: "Never released", cell: (lock) => count(lock.expirations), align: "right" },
        {
          title: "",
          cell: (lock) =>
            lock.held && (
              <ActionButton
                variant="subtle"
                color="red"
                ask={`"${lock.holder}" is not stopped: it learns that it has lost the lock when it renews or releases. What the lock protects may then run twice.`}
                onAct={() => take.mutate(lock.name)}
              >
                Break
              </ActionButton>
            ),
        },
      ]}
    />
  );
}

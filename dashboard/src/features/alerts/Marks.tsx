/** How grave an alert is and how it stands: a colour and a word, never the colour alone. */
import { Badge, Group } from "@mantine/core";
import type { Alert, Severity } from "@master-orchestrator/contract";

const SEVERITY_COLORS: Record<Severity, string> = { info: "blue", warning: "yellow", critical: "red" };
const STATE_COLORS: Record<Alert["state"], string> = { pending: "gray", firing: "red", resolved: "teal" };

export function SeverityBadge({ severity }: { severity: Severity }) {
  return (
    <Badge color={SEVERITY_COLORS[severity]} variant="light" autoContrast miw="max-content">
      {severity}
    </Badge>
  );
}

export function AlertStates({ alert }: { alert: Alert }) {
  const open = alert.state !== "resolved";
  return (
    <Group gap={4}>
      <Badge color={STATE_COLORS[alert.state]} variant="light" autoContrast miw="max-content">
        {alert.state}
      </Badge>
      {open && alert.acknowledged_at && (
        <Badge color="blue" variant="outline">
          acknowledged
        </Badge>
      )}
      {alert.silenced_by && (
        <Badge color="gray" variant="outline">
          silenced
        </Badge>
      )}
      {open && alert.no_data_since && (
        <Badge color="gray" variant="outline">
          no data
        </Badge>
      )}
    </Group>
  );
}

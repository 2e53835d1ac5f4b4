/** Says what went wrong and what to do about it. */
import { Alert, List, Text } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import { ApiProblem } from "../lib/api.ts";

export function Problem({ error }: { error: Error }) {
  const { hint, errors } =
    error instanceof ApiProblem ? error : { hint: "Is the orchestrator running?", errors: [] };
  return (
    <Alert color="red" icon={<IconAlertTriangle aria-hidden />} title={error.message} role="alert">
      {hint !== "" && <Text size="sm">{hint}</Text>}
      {errors.length > 0 && (
        <List size="sm">
          {errors.map(({ path, message }) => (
            <List.Item key={`${path} ${message}`}>
              <b>{path}</b>: {message}
            </List.Item>
          ))}
        </List>
      )}
    </Alert>
  );
}

/** Trades an API key for a session. The key is sent once and kept nowhere in the browser. */
import { Button, Card, Center, Modal, PasswordInput, Stack, Text, Title } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { call } from "../lib/api.ts";
import { Problem } from "../ui/Problem.tsx";

/** The first thing that somebody sees who has no session. */
export function Login({ onDone }: { onDone: () => void }) {
  return (
    <Center mih="100vh" p="md" component="main">
      <Card withBorder w={420} maw="100%" padding="xl">
        <Stack>
          <Title order={1} size="h3">
            Master Orchestrator
          </Title>
          <Text size="sm" c="dimmed">
            Log in with an API key. The first start prints an admin key and leaves it in the file admin-key of
            its data folder.
          </Text>
          <KeyForm onDone={onDone} />
        </Stack>
      </Card>
    </Center>
  );
}

/** Over what is there, which is kept: who logs in again goes on where the session ended. */
export function LoginAgain({ opened, onDone }: { opened: boolean; onDone: () => void }) {
  return (
    <Modal
      opened={opened}
      onClose={() => {}}
      withCloseButton={false}
      closeOnEscape={false}
      closeOnClickOutside={false}
      title="The session is over"
      centered
    >
      <Stack>
        <Text size="sm">Log in again to go on where you were. Nothing that you have written is lost.</Text>
        <KeyForm onDone={onDone} />
      </Stack>
    </Modal>
  );
}

function KeyForm({ onDone }: { onDone: () => void }) {
  const [key, setKey] = useState("");
  const [error, setError] = useState<Error | null>(null);
  const [busy, setBusy] = useState(false);
  const logIn = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await call("POST", "/session", { key: key.trim() });
      setKey("");
      onDone();
    } catch (problem) {
      setError(problem as Error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <form onSubmit={logIn}>
      <Stack>
        <PasswordInput
          label="API key"
          value={key}
          onChange={(event) => setKey(event.currentTarget.value)}
          autoComplete="current-password"
          data-autofocus
          required
        />
        {error && <Problem error={error} />}
        <Button type="submit" loading={busy}>
          Log in
        </Button>
      </Stack>
    </form>
  );
}

/** Wires what all pages need, and leads each address to its page; nobody gets further than the login without a session. */
import { MantineProvider, Skeleton } from "@mantine/core";
import { ModalsProvider } from "@mantine/modals";
import { Notifications } from "@mantine/notifications";
import type { Session } from "@master-orchestrator/contract";
import { QueryClientProvider } from "@tanstack/react-query";
import { Suspense } from "react";
import { BrowserRouter, Route, Routes } from "react-router";
import { ApiProblem } from "../lib/api.ts";
import { queryClient, useApi } from "../lib/data.ts";
import { SessionContext } from "../lib/session.tsx";
import { Fetched } from "../ui/Fetched.tsx";
import { Page } from "../ui/Page.tsx";
import { Login, LoginAgain } from "./Login.tsx";
import { Shell } from "./Shell.tsx";
import { SECTIONS } from "./sections.ts";
import { readable, theme } from "./theme.ts";

export function App() {
  return (
    <MantineProvider defaultColorScheme="auto" theme={theme} cssVariablesResolver={readable}>
      <QueryClientProvider client={queryClient}>
        <ModalsProvider>
          <Notifications />
          <BrowserRouter basename="/dashboard">
            <Entrance />
          </BrowserRouter>
        </ModalsProvider>
      </QueryClientProvider>
    </MantineProvider>
  );
}

function Entrance() {
  const session = useApi<Session>("/session");
  const isOver = session.error instanceof ApiProblem && session.error.status === 401;
  const again = () => void queryClient.invalidateQueries({ queryKey: ["api"] });
  if (isOver && session.data === undefined) return <Login onDone={again} />;
  return (
    <Fetched of={session}>
      {(known) => (
        <SessionContext value={known}>
          <LoginAgain opened={isOver} onDone={again} />
          <Shell>
            <Suspense fallback={<Skeleton height={240} aria-label="loading" />}>
              <Pages />
            </Suspense>
          </Shell>
        </SessionContext>
      )}
    </Fetched>
  );
}

function Pages() {
  return (
    <Routes>
      {SECTIONS.map(({ path, page: Section }) => (
        <Route key={path} path={path === "/" ? "/" : `${path}/*`} element={<Section />} />
      ))}
      <Route
        path="*"
        element={<Page title="There is no such page">The navigation leads to those that are.</Page>}
      />
    </Routes>
  );
}

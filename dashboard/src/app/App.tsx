/** Wires what all pages need, and leads each address to its page; nobody gets further than the login without a session. */
import { MantineProvider } from "@mantine/core";
import { ModalsProvider } from "@mantine/modals";
import { Notifications } from "@mantine/notifications";
import type { Session } from "@master-orchestrator/contract";
import { QueryClientProvider } from "@tanstack/react-query";
import { BrowserRouter, Route, Routes } from "react-router";
import { ApiProblem } from "../lib/api.ts";
import { queryClient, useApi } from "../lib/data.ts";
import { SessionContext } from "../lib/session.tsx";
import { Fetched } from "../ui/Fetched.tsx";
import { Page } from "../ui/Page.tsx";
import { Login } from "./Login.tsx";
import { Shell } from "./Shell.tsx";
import { SECTIONS } from "./sections.ts";

export function App() {
  return (
    <MantineProvider defaultColorScheme="auto" theme={{ primaryColor: "indigo", defaultRadius: "md" }}>
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
  if (session.error instanceof ApiProblem && session.error.status === 401) {
    return <Login onDone={() => void queryClient.invalidateQueries({ queryKey: ["api"] })} />;
  }
  return (
    <Fetched of={session}>
      {(known) => (
        <SessionContext value={known}>
          <Shell>
            <Routes>
              {SECTIONS.map(({ path, page: Section }) => (
                <Route key={path} path={path === "/" ? "/" : `${path}/*`} element={<Section />} />
              ))}
              <Route
                path="*"
                element={<Page title="There is no such page">The navigation leads to those that are.</Page>}
              />
            </Routes>
          </Shell>
        </SessionContext>
      )}
    </Fetched>
  );
}

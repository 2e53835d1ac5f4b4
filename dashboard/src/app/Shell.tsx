/** The frame around every page: navigation, whether events arrive, light or dark, who is logged in. */
import {
  ActionIcon,
  Alert,
  AppShell,
  Badge,
  Burger,
  Group,
  Menu,
  NavLink,
  Text,
  useComputedColorScheme,
  useMantineColorScheme,
} from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { spotlight } from "@mantine/spotlight";
import { IconLogout, IconMoon, IconPlugConnectedX, IconSearch, IconSun, IconUser } from "@tabler/icons-react";
import type { ReactNode } from "react";
import { Link, useLocation } from "react-router";
import { call } from "../lib/api.ts";
import { queryClient } from "../lib/data.ts";
import { exact } from "../lib/format.ts";
import { type Live, useLive } from "../lib/live.ts";
import { useSession } from "../lib/session.tsx";
import { Palette } from "./Palette.tsx";
import { SECTIONS } from "./sections.ts";

export function Shell({ children }: { children: ReactNode }) {
  const [opened, { toggle, close }] = useDisclosure();
  const live = useLive();
  return (
    <AppShell
      header={{ height: 52 }}
      navbar={{ width: 210, breakpoint: "sm", collapsed: { mobile: !opened } }}
      padding="md"
    >
      <AppShell.Header>
        <Group h="100%" px="md" justify="space-between" wrap="nowrap">
          <Group gap="sm" wrap="nowrap" miw={0}>
            <Burger
              opened={opened}
              onClick={toggle}
              hiddenFrom="sm"
              size="sm"
              aria-label="Navigation"
              aria-expanded={opened}
            />
            <Text fw={700} truncate>
              Master Orchestrator
            </Text>
            <Badge
              size="sm"
              variant="dot"
              color={live.state === "live" ? "teal" : "gray"}
              style={{ flexShrink: 0 }}
              role="status"
            >
              {live.state === "live" ? "live" : "not live"}
            </Badge>
          </Group>
          <Group gap="xs" wrap="nowrap">
            <ActionIcon variant="default" size="lg" onClick={spotlight.open} aria-label="Go to (Ctrl K)">
              <IconSearch size={18} aria-hidden />
            </ActionIcon>
            <SchemeToggle />
            <UserMenu />
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Navbar p="xs" component="nav" aria-label="Pages" style={{ overflowY: "auto" }}>
        <Navigation onGo={close} />
      </AppShell.Navbar>
      <AppShell.Main>
        <Palette />
        {live.state === "lost" && <Lost live={live} />}
        {children}
      </AppShell.Main>
    </AppShell>
  );
}

function Navigation({ onGo }: { onGo: () => void }) {
  const { pathname } = useLocation();
  const isHere = (path: string) => (path === "/" ? pathname === "/" : pathname.startsWith(path));
  return SECTIONS.map(({ path, name, icon: Icon }) => (
    <NavLink
      key={path}
      component={Link}
      to={path}
      label={name}
      leftSection={<Icon size={18} aria-hidden />}
      active={isHere(path)}
      aria-current={isHere(path) ? "page" : undefined}
      onClick={onGo}
    />
  ));
}

function Lost({ live }: { live: Live }) {
  return (
    <Alert
      color="orange"
      variant="outline"
      mb="md"
      role="alert"
      icon={<IconPlugConnectedX aria-hidden />}
      title="The connection to the orchestrator is lost"
    >
      It is tried again every few seconds; nothing has to be done here.
      {live.asOf ? ` What is shown is as of ${exact(new Date(live.asOf).toISOString())}.` : ""}
    </Alert>
  );
}

function SchemeToggle() {
  const { toggleColorScheme } = useMantineColorScheme();
  const dark = useComputedColorScheme() === "dark";
  return (
    <ActionIcon variant="default" size="lg" onClick={toggleColorScheme} aria-label="Light or dark">
      <IconSun size={18} aria-hidden display={dark ? undefined : "none"} />
      <IconMoon size={18} aria-hidden display={dark ? "none" : undefined} />
    </ActionIcon>
  );
}

function UserMenu() {
  const { name, role } = useSession();
  const logOut = async () => {
    await call("DELETE", "/session");
    queryClient.clear();
    location.reload();
  };
  return (
    <Menu>
      <Menu.Target>
        <ActionIcon variant="default" size="lg" aria-label={`Logged in as ${name}, ${role}`}>
          <IconUser size={18} aria-hidden />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>
          {name} ({role})
        </Menu.Label>
        <Menu.Item leftSection={<IconLogout size={16} aria-hidden />} onClick={logOut}>
          Log out
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

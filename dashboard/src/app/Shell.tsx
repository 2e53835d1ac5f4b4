/** The frame around every page: navigation, whether events arrive, light or dark, who is logged in. */
import {
  ActionIcon,
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
import { IconLogout, IconMoon, IconSun, IconUser } from "@tabler/icons-react";
import type { ReactNode } from "react";
import { Link, useLocation } from "react-router";
import { call } from "../lib/api.ts";
import { queryClient } from "../lib/data.ts";
import { useLive } from "../lib/live.ts";
import { useSession } from "../lib/session.tsx";
import { SECTIONS } from "./sections.ts";

export function Shell({ children }: { children: ReactNode }) {
  const [opened, { toggle, close }] = useDisclosure();
  const { pathname } = useLocation();
  const live = useLive();
  const isHere = (path: string) => (path === "/" ? pathname === "/" : pathname.startsWith(path));
  return (
    <AppShell
      header={{ height: 52 }}
      navbar={{ width: 210, breakpoint: "sm", collapsed: { mobile: !opened } }}
      padding="md"
    >
      <AppShell.Header>
        <Group h="100%" px="md" justify="space-between" wrap="nowrap">
          <Group gap="sm" wrap="nowrap">
            <Burger opened={opened} onClick={toggle} hiddenFrom="sm" size="sm" aria-label="Navigation" />
            <Text fw={700} truncate>
              Master Orchestrator
            </Text>
            <Badge size="sm" variant="dot" color={live ? "teal" : "gray"} aria-live="polite">
              {live ? "live" : "not live"}
            </Badge>
          </Group>
          <Group gap="xs" wrap="nowrap">
            <SchemeToggle />
            <UserMenu />
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Navbar p="xs" component="nav" aria-label="Pages">
        {SECTIONS.map(({ path, name, icon: Icon }) => (
          <NavLink
            key={path}
            component={Link}
            to={path}
            label={name}
            leftSection={<Icon size={18} aria-hidden />}
            active={isHere(path)}
            aria-current={isHere(path) ? "page" : undefined}
            onClick={close}
          />
        ))}
      </AppShell.Navbar>
      <AppShell.Main>{children}</AppShell.Main>
    </AppShell>
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

/** The way to anything by keyboard: a palette of pages and ids, and two keys for each page. */
import { Kbd, useMantineColorScheme } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { Spotlight, type SpotlightActionData } from "@mantine/spotlight";
import { IconMoon, IconSearch } from "@tabler/icons-react";
import { useEffect, useEffectEvent, useRef, useState } from "react";
import { useNavigate } from "react-router";
import { call } from "../lib/api.ts";
import { SECTIONS } from "./sections.ts";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
/** `g`, then within this time the key of a page. */
const SECOND_KEY_WITHIN_MS = 1_500;

export function Palette() {
  const go = useNavigate();
  const { toggleColorScheme } = useMantineColorScheme();
  const [query, setQuery] = useState("");
  useTwoKeys((path) => void go(path));
  const pages = SECTIONS.map(({ path, name, key, icon: Icon }): SpotlightActionData => {
    return {
      ...{ id: path, label: name, onClick: () => void go(path) },
      leftSection: <Icon size={18} aria-hidden />,
      rightSection: key && (
        <span>
          <Kbd size="xs">g</Kbd> <Kbd size="xs">{key}</Kbd>
        </span>
      ),
    };
  });
  const id = query.trim();
  const byId: SpotlightActionData[] = UUID.test(id)
    ? [{ id: "by-id", label: `Open ${id}`, keywords: [id], onClick: () => void open(id, go) }]
    : [];
  const scheme: SpotlightActionData = {
    ...{ id: "scheme", label: "Light or dark", onClick: () => toggleColorScheme() },
    leftSection: <IconMoon size={18} aria-hidden />,
  };
  return (
    <Spotlight
      actions={[...byId, ...pages, scheme]}
      query={query}
      onQueryChange={setQuery}
      shortcut={["mod + K", "/"]}
      nothingFound="No page of this name. The id of a task, an execution or a cycle opens it."
      searchProps={{
        leftSection: <IconSearch size={18} aria-hidden />,
        placeholder: "A page, or the id of a task, an execution, a cycle",
        "aria-label": "Go to",
      }}
    />
  );
}

/** Whose id it is, only the API knows. */
async function open(id: string, go: (path: string) => unknown): Promise<void> {
  const kinds = [
    { path: `/tasks/${id}`, page: `/queue/${id}` },
    { path: `/executions/${id}`, page: `/executions/${id}` },
    { path: `/cycles/${id}`, page: `/decisions/${id}` },
  ];
  for (const { path, page } of kinds) {
    try {
      await call("GET", path);
      return void go(page);
    } catch {
      // It is none of these.
    }
  }
  notifications.show({ color: "red", message: `Nothing here has the id ${id}.` });
}

function useTwoKeys(go: (path: string) => void): void {
  const firstAt = useRef(Number.NEGATIVE_INFINITY);
  // The page may be drawn again between the two keys: what was pressed first must outlive that.
  const listen = useEffectEvent((event: KeyboardEvent) => {
    const { target, key } = event;
    const writes =
      target instanceof HTMLElement && target.matches("input, textarea, select, [contenteditable]");
    if (writes || event.ctrlKey || event.metaKey || event.altKey) return;
    if (key === "g") {
      firstAt.current = event.timeStamp;
      return;
    }
    if (event.timeStamp - firstAt.current > SECOND_KEY_WITHIN_MS) return;
    firstAt.current = Number.NEGATIVE_INFINITY;
    const section = SECTIONS.find((one) => one.key === key);
    if (section) go(section.path);
  });
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => listen(event);
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, []);
}

/** The pages of the dashboard, in the order of the navigation. A new section is registered here. */
import { IconHome } from "@tabler/icons-react";
import type { ComponentType } from "react";
import { Overview } from "../features/overview/Overview.tsx";

export interface Section {
  /** Behind /dashboard; the page shows all paths below it. */
  path: string;
  name: string;
  icon: ComponentType<{ size?: number }>;
  page: ComponentType;
}

export const SECTIONS: readonly Section[] = [{ path: "/", name: "Overview", icon: IconHome, page: Overview }];

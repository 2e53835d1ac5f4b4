/** The pages of the dashboard, in the order of the navigation. A new section is registered here. */
import {
  IconAdjustments,
  IconArticle,
  IconChartLine,
  IconGauge,
  IconHome,
  IconListDetails,
  IconMailOff,
  IconRoute,
  IconStack2,
  IconTimeline,
} from "@tabler/icons-react";
import type { ComponentType } from "react";
import { ContentPage } from "../features/content/ContentPage.tsx";
import { DeadLettersPage } from "../features/dead-letters/DeadLettersPage.tsx";
import { DecisionsPage } from "../features/decisions/DecisionsPage.tsx";
import { ExecutionsPage } from "../features/executions/ExecutionsPage.tsx";
import { Overview } from "../features/overview/Overview.tsx";
import { PolicyPage } from "../features/policy/PolicyPage.tsx";
import { QueuePage } from "../features/queue/QueuePage.tsx";
import { ReadersPage } from "../features/readers/ReadersPage.tsx";
import { ResourcesPage } from "../features/resources/ResourcesPage.tsx";
import { WorkflowsPage } from "../features/workflows/WorkflowsPage.tsx";

export interface Section {
  /** Behind /dashboard; the page shows all paths below it. */
  path: string;
  name: string;
  icon: ComponentType<{ size?: number }>;
  page: ComponentType;
}

export const SECTIONS: readonly Section[] = [
  { path: "/", name: "Overview", icon: IconHome, page: Overview },
  { path: "/queue", name: "Queue", icon: IconStack2, page: QueuePage },
  { path: "/executions", name: "Executions", icon: IconTimeline, page: ExecutionsPage },
  { path: "/dead-letters", name: "Dead letters", icon: IconMailOff, page: DeadLettersPage },
  { path: "/resources", name: "Resources", icon: IconGauge, page: ResourcesPage },
  { path: "/workflows", name: "Workflows", icon: IconRoute, page: WorkflowsPage },
  { path: "/content", name: "Content", icon: IconArticle, page: ContentPage },
  { path: "/readers", name: "Readers", icon: IconChartLine, page: ReadersPage },
  { path: "/policy", name: "Policy", icon: IconAdjustments, page: PolicyPage },
  { path: "/decisions", name: "Decisions", icon: IconListDetails, page: DecisionsPage },
];

/** The pages of the dashboard, in the order of the navigation. A new section is registered here. */
import {
  IconAdjustments,
  IconArticle,
  IconBell,
  IconChartLine,
  IconGauge,
  IconHome,
  IconListDetails,
  IconMailOff,
  IconPigMoney,
  IconRoute,
  IconRouteAltLeft,
  IconStack2,
  IconTimeline,
  IconUserCheck,
} from "@tabler/icons-react";
import { type ComponentType, lazy } from "react";
import { Overview } from "../features/overview/Overview.tsx";

export interface Section {
  /** Behind /dashboard; the page shows all paths below it. */
  path: string;
  name: string;
  /** Behind `g`: leads there by keyboard. */
  key?: string;
  icon: ComponentType<{ size?: number }>;
  page: ComponentType;
}

/** Fetched when somebody goes there, or a moment after the first page is shown. */
const later = (load: () => Promise<ComponentType>) => lazy(async () => ({ default: await load() }));

const QueuePage = later(async () => (await import("../features/queue/QueuePage.tsx")).QueuePage);
const ExecutionsPage = later(
  async () => (await import("../features/executions/ExecutionsPage.tsx")).ExecutionsPage,
);
const DeadLettersPage = later(
  async () => (await import("../features/dead-letters/DeadLettersPage.tsx")).DeadLettersPage,
);
const AlertsPage = later(async () => (await import("../features/alerts/AlertsPage.tsx")).AlertsPage);
const ResourcesPage = later(
  async () => (await import("../features/resources/ResourcesPage.tsx")).ResourcesPage,
);
const WorkflowsPage = later(
  async () => (await import("../features/workflows/WorkflowsPage.tsx")).WorkflowsPage,
);
const MigrationPage = later(
  async () => (await import("../features/migration/MigrationPage.tsx")).MigrationPage,
);
const ContentPage = later(async () => (await import("../features/content/ContentPage.tsx")).ContentPage);
const ReadersPage = later(async () => (await import("../features/readers/ReadersPage.tsx")).ReadersPage);
const AdjustmentsPage = later(
  async () => (await import("../features/adjustments/AdjustmentsPage.tsx")).AdjustmentsPage,
);
const PolicyPage = later(async () => (await import("../features/policy/PolicyPage.tsx")).PolicyPage);
const DecisionsPage = later(
  async () => (await import("../features/decisions/DecisionsPage.tsx")).DecisionsPage,
);
const AuditPage = later(async () => (await import("../features/audit/AuditPage.tsx")).AuditPage);

export const SECTIONS: readonly Section[] = [
  { path: "/", name: "Overview", key: "o", icon: IconHome, page: Overview },
  { path: "/queue", name: "Queue", key: "q", icon: IconStack2, page: QueuePage },
  { path: "/executions", name: "Executions", key: "e", icon: IconTimeline, page: ExecutionsPage },
  { path: "/dead-letters", name: "Dead letters", key: "l", icon: IconMailOff, page: DeadLettersPage },
  { path: "/alerts", name: "Alerts", key: "a", icon: IconBell, page: AlertsPage },
  { path: "/resources", name: "Resources", key: "r", icon: IconGauge, page: ResourcesPage },
  { path: "/workflows", name: "Workflows", key: "w", icon: IconRoute, page: WorkflowsPage },
  { path: "/migration", name: "Migration", key: "m", icon: IconRouteAltLeft, page: MigrationPage },
  { path: "/content", name: "Content", key: "c", icon: IconArticle, page: ContentPage },
  { path: "/readers", name: "Readers", key: "i", icon: IconChartLine, page: ReadersPage },
  { path: "/adjustments", name: "Adjustments", key: "j", icon: IconPigMoney, page: AdjustmentsPage },
  { path: "/policy", name: "Policy", key: "p", icon: IconAdjustments, page: PolicyPage },
  { path: "/decisions", name: "Decisions", key: "d", icon: IconListDetails, page: DecisionsPage },
  { path: "/audit", name: "Audit", key: "u", icon: IconUserCheck, page: AuditPage },
];

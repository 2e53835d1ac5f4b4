/** Who is at the dashboard, and what the role allows. The server alone decides; this only spares a refusal. */
import type { Session } from "@master-orchestrator/contract";
import { createContext, useContext } from "react";

const RANK = { worker: 0, viewer: 1, operator: 2, admin: 3 } as const;

export const SessionContext = createContext<Session | null>(null);

export function useSession(): Session {
  const session = useContext(SessionContext);
  if (session === null) throw new Error("nobody is logged in");
  return session;
}

/** Whether the role is at least this one. */
export function useMay(role: "viewer" | "operator" | "admin"): boolean {
  return RANK[useSession().role] >= RANK[role];
}

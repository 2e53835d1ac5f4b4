/** How the dashboard is built, and served while it is worked on: its calls then go to a running orchestrator. */
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const ORCHESTRATOR = process.env.ORCHESTRATOR_URL ?? "http://127.0.0.1:8080";

export default defineConfig({
  base: "/dashboard/",
  plugins: [react()],
  build: { chunkSizeWarningLimit: 1500 },
  server: { proxy: { "/api": ORCHESTRATOR, "/articles": ORCHESTRATOR } },
});

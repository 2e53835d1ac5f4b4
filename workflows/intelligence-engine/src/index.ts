/** The intelligence engine as the server wires it: the workflow, and the library that it asks for. Holds no code. */
export {
  INTELLIGENCE_ENGINE,
  type IntelligenceEngineParts,
  intelligenceEngine,
} from "./engine.ts";
export type { Library, NewInsight, NewReport } from "./library.ts";

/** Owns how a difference is shown: in a word as well as in a colour. */
import { shownChange } from "../metrics.ts";
import type { Compared } from "./document.ts";
import { html, type Markup } from "./markup.ts";

/** Up or down, and whether that is good: in a word as well as in a colour. */
export function change(before: number | null, value: number | null, good: Compared["good"]): Markup | null {
  if (before === null || value === null) return null;
  const text = shownChange(before, value);
  if (text === null) return null;
  const better = good === "more" ? value > before : value < before;
  const even = text.startsWith("0\u00a0");
  return html`<span class="${even ? "" : better ? "up" : "down"}">${text}${even ? "" : better ? " better" : " worse"}</span>`;
}

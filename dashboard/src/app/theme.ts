/** Colours that can be read: every text against its ground by WCAG AA (4.5 to 1), in light and dark. */
import { type CSSVariablesResolver, createTheme } from "@mantine/core";

export const theme = createTheme({
  primaryColor: "indigo",
  primaryShade: { light: 7, dark: 8 },
  defaultRadius: "md",
  autoContrast: true,
  // What the library moves by script; motion.css does the rest.
  respectReducedMotion: true,
  // Above this luminance black is the better text, below it white.
  luminanceThreshold: 0.18,
});

/** Of texts in a colour, on white and on its own pale ground; the library's own are too light for small print. */
const ON_LIGHT: Readonly<Record<string, string>> = {
  gray: "#343a40",
  red: "#a51111",
  orange: "#8f2d0b",
  yellow: "#6b4200",
  teal: "#05543f",
  blue: "#124f8a",
  indigo: "#2f44ad",
};
const TEXTS = ["light-color", "outline", "text"];

export const readable: CSSVariablesResolver = () => {
  const colours = (of: (name: string) => string) =>
    Object.fromEntries(
      Object.keys(ON_LIGHT).flatMap((name) =>
        TEXTS.map((use) => [`--mantine-color-${name}-${use}`, of(name)] as const),
      ),
    );
  return {
    variables: {},
    light: {
      ...colours((name) => ON_LIGHT[name] as string),
      "--mantine-color-dimmed": "var(--mantine-color-gray-7)",
      "--mantine-color-placeholder": "var(--mantine-color-gray-7)",
      "--mantine-color-anchor": ON_LIGHT.indigo as string,
      "--mantine-color-error": ON_LIGHT.red as string,
    },
    dark: {
      ...colours((name) => `var(--mantine-color-${name}-2)`),
      "--mantine-color-dimmed": "var(--mantine-color-dark-1)",
      "--mantine-color-placeholder": "var(--mantine-color-dark-1)",
      "--mantine-color-anchor": "var(--mantine-color-indigo-2)",
      "--mantine-color-error": "var(--mantine-color-red-2)",
    },
  };
};

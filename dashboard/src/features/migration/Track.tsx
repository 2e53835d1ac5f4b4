/** The way through the phases, and where on it a workflow stands. */
import { Badge, Group, Text } from "@mantine/core";
import { PHASES, type Step } from "./texts.ts";

const IN_FORCE: Record<Step["mode"], (percent: number) => string> = {
  shadow: () => "in shadow",
  share: (percent) => `${percent} %`,
  full: () => "in full",
};

export function Track({ step, short = false }: { step: Step; short?: boolean }) {
  const { phase, mode, share_percent } = step;
  return (
    <Group
      component="ol"
      gap={short ? 4 : 6}
      p={0}
      m={0}
      wrap={short ? "nowrap" : "wrap"}
      style={{ listStyle: "none" }}
      aria-label="Phases"
    >
      {PHASES.map(({ name, about }, i) => {
        const here = i === phase;
        const passed = i < phase;
        const how = here && i > 0 ? `: ${IN_FORCE[mode](share_percent)}` : "";
        return (
          <li key={name} aria-current={here ? "step" : undefined}>
            <Badge
              size={short ? "sm" : "lg"}
              variant={here ? "filled" : passed ? "light" : "outline"}
              color={here ? "indigo" : passed ? "teal" : "gray"}
              tt="none"
              style={{ minWidth: "max-content" }}
            >
              {short && !here ? i : `${i} ${name}${how}`}
            </Badge>
            {!short && (
              <Text size="xs" c="dimmed" ta="center" visibleFrom="sm">
                {about}
              </Text>
            )}
          </li>
        );
      })}
    </Group>
  );
}

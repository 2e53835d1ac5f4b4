/** Owns topics with realistic sources, and drafts, for tests. The words are the project's own. */
import { type Topic, TopicSchema } from "../topic.ts";
import type { Draft } from "./draft.ts";

export const HEAT_PUMPS = `Heat pumps move heat instead of making it. A refrigerant boils in the outdoor unit at a temperature far below zero, and so it takes up heat even from cold air. The compressor squeezes the vapour, which makes it hot, and the indoor unit passes that heat to the water of the radiators. Because heat is only moved, one kilowatt-hour of electricity delivers three to four kilowatt-hours of heat in a mild winter.

How well a heat pump does depends on the temperature of the water that it has to make. Old radiators often need water of 60 °C, and at that temperature the same machine delivers only two kilowatt-hours for one. Underfloor heating is content with 35 °C. Larger radiators in two or three rooms are frequently all that a house needs.

## What it costs

An air-source heat pump for a family house costs between 12,000 and 25,000 euros with its installation. Dr. Anna Lindqvist of the Fraunhofer Institute measured 77 houses for five years and found running costs 30 % below those of gas. Public grants cover up to 40 percent of the price in Germany. The repayment time was nine years on average.

Noise is the complaint that neighbours make most often. A modern outdoor unit reaches 50 decibels at one metre. At ten metres it is quieter than a refrigerator. Installers place it away from bedroom windows and on rubber feet.`;

export const GRID = `The grid has to carry what heat pumps draw on the coldest evening of the year. The Fraunhofer Institute expects that six million heat pumps would add eleven gigawatts to Germany's peak load. Hot-water tanks let the machines pause for two hours without anybody feeling it. Network operators pay households for that permission.

Cold snaps are when the doubts are loudest. In Norway, where winters reach minus 20 °C, 60 percent of households heat with heat pumps. Their owners keep a wood stove for the worst nights. Heat pumps move heat instead of making it, as engineers like to say!

Subscribe to our newsletter for more stories like this one.`;

export function aTopic(changes: Partial<Record<keyof Topic, unknown>> = {}): Topic {
  return TopicSchema.parse({
    title: "How heat pumps keep a house warm",
    brief:
      "Heat pumps are replacing boilers across northern Europe. Explain to home owners how they work and what they cost.",
    keywords: ["heat pump", "running costs", "noise", "Fraunhofer Institute"],
    sources: [
      { title: "Field notes on heat pumps", text: HEAT_PUMPS },
      { title: "Peak load", text: GRID, url: "https://example.org/peak-load" },
    ],
    ...changes,
  });
}

/** A draft of `aTopic` as a model might write it. */
export function aDraft(changes: Partial<Draft> = {}): Draft {
  return {
    title: "Warm without a boiler",
    summary: "Heat pumps move heat.",
    lead: "",
    sections: [
      {
        heading: "How they work",
        markdown:
          "A refrigerant boils far below zero[1](#source-1) and takes up heat even from cold air[1](#source-1).",
      },
      {
        heading: "The grid",
        markdown: "- They draw most on the coldest evening[2](#source-2)\n- Owners keep a wood stove",
      },
    ],
    keyFacts: [{ text: "Underfloor heating is content with 35 °C.", source: 0 }],
    pullQuote: null,
    citations: [],
    generator: "test/model",
    ...changes,
  };
}

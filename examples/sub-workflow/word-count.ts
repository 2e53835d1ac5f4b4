/** A complete sub-workflow: counts the words of a text. Start it, try it with try.ts, register its address. */
import { defineWorkflow, serve, TaskRefused } from "@master-orchestrator/sdk";
import { z } from "zod";

const wordCount = defineWorkflow(
  {
    type: "word_count",
    input: z.object({ text: z.string().max(100_000) }),

    async run({ input }, { step, progress }) {
      if (input.text.trim() === "") throw new TaskRefused("the text is empty"); // not tried again
      const words = await step("count", async () => input.text.trim().split(/\s+/).length); // done once
      progress(1, `${words} words`);
      return { words }; // becomes the task's result_data
    },
  },
  { signingSecret: process.env.SIGNING_SECRET },
);

const server = await serve(wordCount, { port: Number(process.env.PORT ?? 8090), path: "/hooks" });
process.once("SIGTERM", () => server.close());
process.stdout.write(`word_count at ${server.url}\n`);

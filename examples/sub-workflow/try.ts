/** Plays the orchestrator to a workflow that runs: two tasks go out, and what is called back is shown. No orchestrator is needed. */
import { playOrchestrator } from "@master-orchestrator/sdk/testing";

await using orchestrator = await playOrchestrator();
const sent = await orchestrator.dispatch(process.argv[2] ?? "http://127.0.0.1:8090/hooks", {
  workflowType: "word_count",
  secret: process.env.SIGNING_SECRET,
  tasks: [{ payload: { text: "one two three four" } }, { payload: { text: " " } }],
});
if (sent.status >= 300) throw new Error(`HTTP ${sent.status}: ${JSON.stringify(sent.body)}`);
process.stdout.write(`${JSON.stringify(await sent.callback, null, 2)}\n`);

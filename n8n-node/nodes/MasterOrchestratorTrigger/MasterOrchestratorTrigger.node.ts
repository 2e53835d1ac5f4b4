/** Owns the start of a workflow by the orchestrator: checks who asks, answers at once, claims the attempt. Does none of the work. */
import {
  type IExecuteFunctions,
  type IHookFunctions,
  type INodeExecutionData,
  type INodeType,
  type INodeTypeDescription,
  type IWebhookFunctions,
  type IWebhookResponseData,
  NodeConnectionTypes,
  NodeOperationError,
} from "n8n-workflow";
import { CREDENTIAL, call, refused } from "../wire/calls.ts";
import { itemsOf, type Message, messageProblem, runOf } from "../wire/message.ts";
import { type Refusal, refusalOf, secretProblem, TOLERANCE_SECONDS } from "../wire/signature.ts";

const REFUSED: Record<Refusal, string> = {
  missing_headers: "the request is not signed: webhook-id, webhook-timestamp or webhook-signature is missing",
  outside_tolerance: `webhook-timestamp is more than ${TOLERANCE_SECONDS} s away from this server's clock`,
  no_match: "the signature does not fit the body and the signing secret",
};

export class MasterOrchestratorTrigger implements INodeType {
  description: INodeTypeDescription = {
    displayName: "Master Orchestrator Trigger",
    name: "masterOrchestratorTrigger",
    icon: {
      light: "file:../../icons/master-orchestrator.svg",
      dark: "file:../../icons/master-orchestrator.dark.svg",
    },
    group: ["trigger"],
    version: 1,
    subtitle: '={{ $parameter["path"] }}',
    description: "Starts the workflow when the Master Orchestrator dispatches a run to it",
    eventTriggerDescription: "Waiting for a dispatch of the orchestrator",
    activationMessage: "The orchestrator can start this workflow now: register its production URL there.",
    defaults: { name: "Master Orchestrator Trigger" },
    inputs: [],
    outputs: [NodeConnectionTypes.Main],
    credentials: [{ name: CREDENTIAL, required: true }],
    sensitiveOutputFields: ["orchestrator.token", "authentication.token"],
    webhooks: [
      {
        name: "default",
        httpMethod: "POST",
        path: '={{ $parameter["path"] }}',
        isFullPath: true,
        responseMode: "onReceived",
        // n8n takes a number only, and this is the way to give one.
        responseCode: "={{ 202 }}",
        // Only $execution may stand here: the answer is made when the execution exists.
        responseData: "={{ ({ accepted: true, execution_id: $execution.id }) }}",
      },
    ],
    properties: [
      {
        displayName: "Path",
        name: "path",
        type: "string",
        default: "",
        placeholder: "content-pipeline",
        required: true,
        description: "The last part of the webhook's address",
      },
      {
        displayName: "Output",
        name: "shape",
        type: "options",
        default: "tasks",
        options: [
          { name: "One Item for Each Task", value: "tasks" },
          { name: "One Item for the Whole Run", value: "run" },
        ],
        description: "What the next node is given; the run itself is under orchestrator",
      },
      {
        displayName: "Claim Before the Work",
        name: "claim",
        type: "boolean",
        default: true,
        description:
          "Whether the run is claimed at the orchestrator first: a dispatch that is delivered twice, or comes too late, then ends here",
      },
    ],
  };

  webhookMethods = {
    default: {
      async checkExists(this: IHookFunctions): Promise<boolean> {
        return false;
      },
      /** Nothing is registered elsewhere; but a workflow that would refuse every call must not become active. */
      async create(this: IHookFunctions): Promise<boolean> {
        const { signingSecret } = await this.getCredentials<{ signingSecret?: string }>(CREDENTIAL);
        const problem = secretProblem(signingSecret);
        if (problem === null) return true;
        throw new NodeOperationError(this.getNode(), problem, {
          description:
            "Set it in the credential, and register the workflow at the orchestrator with the same signing_secret.",
        });
      },
      async delete(this: IHookFunctions): Promise<boolean> {
        return true;
      },
    },
  };

  async webhook(this: IWebhookFunctions): Promise<IWebhookResponseData> {
    const refuse = (status: number, code: string, detail: string, hint: string) => {
      this.getResponseObject().status(status).json({ status, code, detail, hint });
      return { noWebhookResponse: true };
    };
    const { signingSecret } = await this.getCredentials<{ signingSecret?: string }>(CREDENTIAL);
    const secret = secretProblem(signingSecret);
    if (secret !== null) {
      return refuse(401, "unauthorized", secret, "Set the signing secret in n8n's credential.");
    }
    const request = this.getRequestObject();
    await request.readRawBody?.();
    const body: Uint8Array = request.rawBody ?? Buffer.alloc(0);
    const refusal = refusalOf(signingSecret as string, this.getHeaderData(), body, Date.now() / 1000);
    if (refusal !== null) {
      const hint = "Register the workflow with the signing_secret that n8n's credential has.";
      return refuse(401, "unauthorized", REFUSED[refusal], hint);
    }
    const message = this.getBodyData();
    const problem = messageProblem(message);
    if (problem !== null) return refuse(422, "validation_failed", problem, "Send a dispatch.");
    return { workflowData: [[{ json: message }]] };
  }

  /** Runs in the execution that the webhook has started: so the claim bears its id, and a run that starts late is noticed. */
  async execute(this: IExecuteFunctions): Promise<INodeExecutionData[][]> {
    const message = this.getInputData()[0]?.json as Message | undefined;
    if (!message || messageProblem(message) !== null) {
      throw new NodeOperationError(this.getNode(), "There is no dispatch to work on", {
        description: "The trigger starts by a dispatch of the orchestrator; listen for a test event.",
      });
    }
    if (this.getNodeParameter("claim", 0, true) === true && !(await claim(this, message))) return [[]];
    const run = runOf(message, new Date().toISOString());
    return [itemsOf(message, run, this.getNodeParameter("shape", 0, "tasks") as "tasks" | "run")];
  }
}

/** False: the attempt is another's, or over. Throws when nobody can tell, so that no work is begun twice. */
async function claim(context: IExecuteFunctions, message: Message): Promise<boolean> {
  const answer = await call(context, {
    method: "POST",
    url: message.callback_url.replace(/callback$/, "claim"),
    token: message.authentication.token,
    body: { attempt: message.attempt, claimant: `n8n run ${context.getExecutionId()}` },
  });
  if (answer.status === 200) return true;
  if (answer.status !== 409) throw refused(context, answer);
  context.addExecutionHints({ message: `Nothing was done: ${String(answer.body.detail)}` });
  return false;
}

/** Owns what n8n keeps of an orchestrator: its address, a key, and the secret that its messages are signed with. */
import type { ICredentialType } from "n8n-workflow";

export class MasterOrchestratorApi implements ICredentialType {
  name = "masterOrchestratorApi";
  displayName = "Master Orchestrator API";
  icon: ICredentialType["icon"] = {
    light: "file:../icons/master-orchestrator.svg",
    dark: "file:../icons/master-orchestrator.dark.svg",
  };
  documentationUrl = "https://www.npmjs.com/package/n8n-nodes-master-orchestrator";
  properties: ICredentialType["properties"] = [
    {
      displayName: "URL",
      name: "url",
      type: "string",
      default: "http://127.0.0.1:8080",
      required: true,
      description: "Where n8n reaches the orchestrator, without a path",
    },
    {
      displayName: "API Key",
      name: "apiKey",
      type: "string",
      typeOptions: { password: true },
      default: "",
      required: true,
      description: "A key with the role worker: orchestrator keys create --name n8n --role worker",
    },
    {
      displayName: "Signing Secret",
      name: "signingSecret",
      type: "string",
      typeOptions: { password: true },
      default: "",
      placeholder: "whsec_…",
      description:
        "For the trigger only: the signing_secret that the workflow is registered with at the orchestrator",
    },
  ];
  authenticate: ICredentialType["authenticate"] = {
    type: "generic",
    properties: { headers: { Authorization: "=Bearer {{ $credentials.apiKey }}" } },
  };
  test: ICredentialType["test"] = {
    request: { baseURL: "={{ $credentials.url.replace(/\\/+$/, '') }}", url: "/api/v1/session" },
    rules: [
      {
        type: "responseSuccessBody",
        properties: {
          key: "role",
          value: "viewer",
          message: "The key may only look: make one with the role worker.",
        },
      },
    ],
  };
}

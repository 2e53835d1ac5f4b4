/**
 * The part of n8n's types that this package uses, so that it is checked without n8n's 143 MB. What stands here is held against
 * the real package by `npm run check:n8n-node`. Where n8n says `any`, so does this.
 */
/* eslint-disable @typescript-eslint/no-explicit-any */
// biome-ignore-all lint/suspicious/noExplicitAny: as n8n has it
declare module "n8n-workflow" {
  export type GenericValue = string | object | number | boolean | undefined | null;
  export interface IDataObject {
    [key: string]: GenericValue | IDataObject | GenericValue[] | IDataObject[];
  }
  export interface JsonObject {
    [key: string]: JsonValue;
  }
  type JsonValue = string | number | boolean | null | JsonObject | JsonValue[];

  export interface IPairedItemData {
    item: number;
    input?: number;
  }
  export interface INodeExecutionData {
    json: IDataObject;
    error?: NodeApiError | NodeOperationError;
    pairedItem?: IPairedItemData | IPairedItemData[] | number;
  }
  export interface INode {
    id: string;
    name: string;
    type: string;
    typeVersion: number;
  }
  export interface NodeTypeAndVersion {
    name: string;
    type: string;
    typeVersion: number;
    disabled: boolean;
  }

  export type IHttpRequestMethods = "DELETE" | "GET" | "PATCH" | "POST" | "PUT" | "HEAD";
  export interface IHttpRequestOptions {
    url: string;
    baseURL?: string;
    method?: IHttpRequestMethods;
    headers?: IDataObject;
    body?: GenericValue | GenericValue[];
    qs?: IDataObject;
    disableFollowRedirect?: boolean;
    returnFullResponse?: boolean;
    ignoreHttpStatusErrors?: boolean;
    timeout?: number;
    json?: boolean;
  }
  interface RequestHelpers {
    httpRequest(options: IHttpRequestOptions): Promise<any>;
    httpRequestWithAuthentication(
      this: IExecuteFunctions,
      credentialsType: string,
      options: IHttpRequestOptions,
    ): Promise<any>;
  }

  interface FunctionsBase {
    getNode(): INode;
    getExecutionId(): string;
    getCredentials<T extends object = IDataObject>(type: string, itemIndex?: number): Promise<T>;
    getParentNodes(nodeName: string): NodeTypeAndVersion[];
  }
  export interface IExecuteFunctions extends FunctionsBase {
    getInputData(inputIndex?: number): INodeExecutionData[];
    getNodeParameter(name: string, itemIndex: number, fallbackValue?: any): unknown;
    getWorkflowDataProxy(itemIndex: number): IWorkflowDataProxyData;
    getExecutionCancelSignal(): AbortSignal | undefined;
    addExecutionHints(...hints: { message: string }[]): void;
    helpers: RequestHelpers;
  }
  export interface IWorkflowDataProxyData {
    [key: string]: any;
    $thisRunIndex: number;
  }
  export interface IWebhookFunctions extends FunctionsBase {
    getBodyData(): IDataObject;
    getHeaderData(): import("node:http").IncomingHttpHeaders;
    getRequestObject(): any;
    getResponseObject(): any;
  }
  export interface IHookFunctions extends FunctionsBase {
    getNodeWebhookUrl(name: "default" | "setup"): string | undefined;
  }
  export interface IWebhookResponseData {
    workflowData?: INodeExecutionData[][];
    webhookResponse?: unknown;
    noWebhookResponse?: boolean;
  }

  export type Icon = `file:${string}` | { light: `file:${string}`; dark: `file:${string}` };
  export interface IDisplayOptions {
    show?: { [key: string]: (string | number | boolean)[] };
    hide?: { [key: string]: (string | number | boolean)[] };
  }
  export interface INodePropertyOptions {
    name: string;
    value: string | number | boolean;
    action?: string;
    description?: string;
  }
  export interface INodeProperties {
    displayName: string;
    name: string;
    type: "boolean" | "collection" | "dateTime" | "json" | "notice" | "number" | "options" | "string";
    default: GenericValue;
    description?: string;
    placeholder?: string;
    hint?: string;
    required?: boolean;
    noDataExpression?: boolean;
    displayOptions?: IDisplayOptions;
    typeOptions?: {
      password?: boolean;
      minValue?: number;
      maxValue?: number;
      numberPrecision?: number;
      rows?: number;
    };
    options?: (INodePropertyOptions | INodeProperties)[];
  }
  interface WebhookDescription {
    name: "default" | "setup";
    httpMethod: string;
    path: string;
    isFullPath?: boolean;
    responseMode?: string;
    responseCode?: string;
    responseData?: string;
  }
  export interface INodeTypeDescription {
    displayName: string;
    name: string;
    icon?: Icon;
    group: ("input" | "output" | "organization" | "schedule" | "transform" | "trigger")[];
    version: number | number[];
    subtitle?: string;
    description: string;
    defaults: { name?: string };
    inputs: NodeConnectionType[];
    outputs: NodeConnectionType[];
    credentials?: { name: string; required?: boolean; displayOptions?: IDisplayOptions }[];
    webhooks?: WebhookDescription[];
    properties: INodeProperties[];
    usableAsTool?: true;
    eventTriggerDescription?: string;
    activationMessage?: string;
    sensitiveOutputFields?: string[];
  }
  export interface INodeType {
    description: INodeTypeDescription;
    execute?(this: IExecuteFunctions): Promise<INodeExecutionData[][]>;
    webhook?(this: IWebhookFunctions): Promise<IWebhookResponseData>;
    webhookMethods?: {
      default?: {
        checkExists(this: IHookFunctions): Promise<boolean>;
        create(this: IHookFunctions): Promise<boolean>;
        delete(this: IHookFunctions): Promise<boolean>;
      };
    };
  }
  export interface ICredentialType {
    name: string;
    displayName: string;
    icon?: Icon;
    documentationUrl?: string;
    properties: INodeProperties[];
    authenticate?: {
      type: "generic";
      properties: { headers?: { [name: string]: string } };
    };
    test?: {
      request: { baseURL?: string; url?: string; method?: IHttpRequestMethods };
      rules?: { type: "responseSuccessBody"; properties: { key: string; value: unknown; message: string } }[];
    };
  }

  export const NodeConnectionTypes: { readonly Main: "main" };
  export type NodeConnectionType = "main";
  interface NodeErrorOptions {
    message?: string;
    description?: string;
    httpCode?: string;
    itemIndex?: number;
  }
  export class NodeOperationError extends Error {
    constructor(node: INode, error: Error | string, options?: NodeErrorOptions);
    description: string | null | undefined;
  }
  export class NodeApiError extends Error {
    constructor(node: INode, errorResponse: JsonObject, options?: NodeErrorOptions);
    description: string | null | undefined;
    httpCode: string | null;
  }
  export function sleep(ms: number): Promise<void>;
}

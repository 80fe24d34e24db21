/**
 * The client that the conformance suite tests: a gateway in front of the
 * suite's server, with an SDK's client before it that lists everything and
 * calls everything. What arrives at the server is the gateway's doing.
 *
 * Run as `drive_client.ts CLIENT SERVER STATE URL`: the era of the client, the
 * era that the server is configured with, the state in which the gateway sees
 * it then, the suite's server. One that is refused is not called.
 *
 * @module
 */

import {
  Client as ClientV2,
  StreamableHTTPClientTransport as TransportV2,
} from "@modelcontextprotocol/client";
// @ts-types="@modelcontextprotocol/sdk/client"
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js";
// @ts-types="@modelcontextprotocol/sdk/client/streamableHttp"
import { StreamableHTTPClientTransport as TransportV1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
// @ts-types="@modelcontextprotocol/sdk/types"
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import type { ServerState } from "../../shared/status.ts";
import { startGateway } from "../support/gateway.ts";

/** As much of either SDK's client as is used. */
type AnyClient = Pick<
  ClientV1,
  | "listTools"
  | "callTool"
  | "listPrompts"
  | "getPrompt"
  | "listResources"
  | "readResource"
  | "getServerCapabilities"
  | "close"
>;

interface Call {
  readonly name: string;
  readonly arguments: Record<string, unknown>;
}

interface Schema {
  readonly properties?: Readonly<Record<string, { readonly type?: unknown }>>;
  readonly required?: readonly string[];
}

const ANSWER = { action: "accept" as const, content: {} };
const SELF = { name: "driver", version: "1.0.0" };
const ELICITATION = {
  capabilities: { elicitation: { form: { applyDefaults: true } } },
};

async function connect(era: string, url: string): Promise<AnyClient> {
  const endpoint = new URL(url);
  if (era === "session") {
    const client = new ClientV1(SELF, ELICITATION);
    client.setRequestHandler(ElicitRequestSchema, () => ANSWER);
    await client.connect(new TransportV1(endpoint) as never);
    return client;
  }
  const client = new ClientV2(SELF, {
    ...ELICITATION,
    versionNegotiation: { mode: "auto" },
  });
  client.setRequestHandler("elicitation/create", () => ANSWER);
  await client.connect(new TransportV2(endpoint));
  return client as unknown as AnyClient;
}

/** Something of each type that an argument may have. */
const SOMETHING: Readonly<Record<string, unknown>> = {
  string: "x",
  number: 1,
  integer: 1,
  boolean: true,
  array: [],
  object: {},
};

/** The calls that the suite asks for, else one of each tool. */
async function calls(client: AnyClient): Promise<readonly Call[]> {
  const { tools } = await client.listTools();
  const asked = JSON.parse(Deno.env.get("MCP_CONFORMANCE_CONTEXT") ?? "{}");
  return asked.toolCalls ?? tools.map(({ name, inputSchema }) => {
    const { properties = {}, required = [] } = inputSchema as Schema;
    const args = required.map((key) => [
      key,
      // The tool that is given another one's schema, to see what is left of it.
      key === "schema"
        ? tools[0]?.inputSchema
        : SOMETHING[String(properties[key]?.type)],
    ]);
    return { name, arguments: Object.fromEntries(args) };
  });
}

/** Does what a client can do; what fails is for the suite to judge. */
async function useAll(client: AnyClient): Promise<void> {
  const tried = (what: string, work: Promise<unknown>) =>
    work.catch((error: unknown) => console.error(`${what}: ${error}`));
  for (const call of await calls(client)) {
    await tried(call.name, client.callTool(call));
  }
  const { prompts, resources } = client.getServerCapabilities() ?? {};
  if (prompts !== undefined) {
    for (const { name } of (await client.listPrompts()).prompts) {
      await tried(name, client.getPrompt({ name }));
    }
  }
  if (resources !== undefined) {
    for (const { uri } of (await client.listResources()).resources) {
      await tried(uri, client.readResource({ uri }));
    }
  }
}

const [era = "", serverEra = "", state = "", url = ""] = Deno.args;
await using gateway = await startGateway({
  servers: [{ name: "suite", url, era: serverEra }],
  unready: ["suite"],
});
await gateway.serverIs("suite", state as ServerState);
if (state === "ready") {
  const client = await connect(era, gateway.url);
  await useAll(client);
  await client.close();
}

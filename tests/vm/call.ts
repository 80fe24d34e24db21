/**
 * An SDK's client for a machine: lists the tools, calls one of them, prints
 * both as JSON. `call.ts URL TOOL [CA]`.
 *
 * @module
 */

// @ts-types="@modelcontextprotocol/sdk/client"
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
// @ts-types="@modelcontextprotocol/sdk/client/streamableHttp"
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const [url = "", tool = "", ca] = Deno.args;
const client = Deno.createHttpClient(
  ca === undefined ? {} : { caCerts: [await Deno.readTextFile(ca)] },
);
const mcp = new Client({ name: "v1", version: "1.0.0" });
await mcp.connect(
  new StreamableHTTPClientTransport(new URL(url), {
    fetch: (input: string | URL, init?: RequestInit) =>
      fetch(input, { ...init, client } as RequestInit),
  }) as never,
);
const { tools } = await mcp.listTools();
const result = await mcp.callTool({ name: tool, arguments: { n: 1 } });
console.log(
  JSON.stringify({ tools: tools.map(({ name }) => name).sort(), result }),
);
await mcp.close();
Deno.exit(0);

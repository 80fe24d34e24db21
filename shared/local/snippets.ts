/**
 * What to paste where, to call the gateway. Pure.
 *
 * @module
 */

import { LATEST_SESSION_REVISION } from "../mcp.ts";

/** An entry for the `mcp.json` of a client. */
export function clientEntry(url: string): string {
  // Without a type some clients take the entry for a command.
  const gateway = { type: "http", url };
  return JSON.stringify({ mcpServers: { gateway } }, null, 2);
}

/** A command that says hello to the gateway, in one line. */
export function curlLine(url: string): string {
  const message = JSON.stringify({
    jsonrpc: "2.0",
    id: 1,
    method: "initialize",
    params: {
      protocolVersion: LATEST_SESSION_REVISION,
      capabilities: {},
      clientInfo: { name: "curl", version: "0" },
    },
  });
  return `curl -i ${url} -H 'content-type: application/json' ` +
    `-H 'accept: application/json, text/event-stream' -d '${message}'`;
}

/**
 * An MCP server for a machine: `serve.ts NAME PORT`. Prints each `authorization`
 * that it gets, once.
 *
 * @module
 */

import { startRawServer } from "../fixtures/raw_server.ts";

const [name = "", port = ""] = Deno.args;
const server = startRawServer({ name, port: Number(port) });
console.log("serves");

const seen = new Set<string>();
setInterval(() => {
  for (const { headers } of server.requests) {
    const value = new Headers(headers as [string, string][])
      .get("authorization");
    if (value === null || seen.has(value)) continue;
    seen.add(value);
    console.log(value);
  }
}, 50);

/**
 * An MCP server for a machine: `serve.ts NAME PORT`.
 *
 * @module
 */

import { startRawServer } from "../fixtures/raw_server.ts";

const [name = "", port = ""] = Deno.args;
startRawServer({ name, port: Number(port) });
console.log("serves");

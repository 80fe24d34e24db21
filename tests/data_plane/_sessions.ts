/**
 * What tests of sessions and their streams say, and look for.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import type { RawServer } from "../fixtures/raw_server.ts";
import type { ScriptedServer } from "../fixtures/scripted_server.ts";
import type { RawClient } from "../support/raw_client.ts";

/** Opens a client's session with a server, and answers the server's id of it. */
export async function sessionWith(
  client: RawClient,
  server: RawServer,
  prefix: string,
): Promise<string> {
  const mark = crypto.randomUUID();
  const reply = await client.call(`${prefix}_echo`, { mark });
  assertEquals([reply.status, reply.message?.error], [200, undefined]);
  return server.of("tools/call").find(({ body }) =>
    new TextDecoder().decode(body).includes(mark)
  )!.session;
}

/** A log message, as servers send it. */
export function note(text: string): {
  readonly jsonrpc: string;
  readonly method: string;
  readonly params: { readonly level: string; readonly data: string };
} {
  return {
    jsonrpc: "2.0",
    method: "notifications/message",
    params: { level: "info", data: text },
  };
}

/** An `initialize` that a client sends besides. */
export const INITIALIZE: object = {
  jsonrpc: "2.0",
  id: "again",
  method: "initialize",
  params: {
    protocolVersion: "2025-11-25",
    capabilities: {},
    clientInfo: { name: "again", version: "1" },
  },
};

/** A call of the scripted server's tool. */
export const CALL: object = {
  jsonrpc: "2.0",
  id: 5,
  method: "tools/call",
  params: { name: "scripted_ask" },
};

/** What a server was answered, in the order of its ids. */
export function answersTo(server: ScriptedServer): unknown[] {
  return server.requests.filter(({ rpc, text }) => rpc === "" && text !== "")
    .map(({ text }) => JSON.parse(text))
    .sort((a, b) => String(a.id).localeCompare(String(b.id)));
}

/** The event of a result. */
export function result(id: string, members = `"content":[]`): string {
  return `data: {"jsonrpc":"2.0","id":${id},"result":{${members}}}\n\n`;
}

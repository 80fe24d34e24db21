/**
 * What steps of the conversation are made of.
 *
 * @module
 */

import type { Exchange, RecordingClient } from "./_recording_client.ts";
import { at, type JsonObject } from "./_transcript.ts";

/** What a step may need. */
export type Feature =
  /** The client declares that it can be asked. */
  | "asked"
  /** Elicitation by form: 2025-06-18 and later. */
  | "forms"
  /** Elicitation by URL: 2025-11-25. */
  | "urls"
  /** Links to resources as content: 2025-06-18 and later. */
  | "links"
  /** Several messages in one: 2025-03-26. */
  | "batches"
  /** The server says nothing more of a call that is cancelled. */
  | "silent when cancelled"
  /** The server answers a call that is cancelled. */
  | "answers when cancelled"
  /** The server's streams can be taken up again. */
  | "resumable"
  /** The server takes what it does not know for content. */
  | "new content";

/** A step of the conversation. */
export interface Step {
  /** Its name, which no other has. */
  readonly step: string;
  /** Features without which it is left out. */
  readonly needs?: readonly Feature[];
  /** What the client does. */
  readonly act: (client: RecordingClient) => Promise<void>;
}

/** Sends a request. */
export async function say(
  client: RecordingClient,
  method: string,
  params?: JsonObject,
): Promise<void> {
  await client.request(method, params);
}

/** Calls a tool. */
export async function call(
  client: RecordingClient,
  tool: string,
  args?: JsonObject,
  meta?: JsonObject,
): Promise<void> {
  await client.call(tool, args, meta);
}

/** Has the server ask the client. */
export async function ask(
  client: RecordingClient,
  args: JsonObject,
): Promise<void> {
  await client.call("ask", args);
}

/** Gets a prompt. */
export async function prompt(
  client: RecordingClient,
  name: string,
  args?: JsonObject,
): Promise<void> {
  await client.request("prompts/get", {
    name: client.prefix + name,
    ...args ? { arguments: args } : {},
    _meta: { "example.com/prompt": name },
  });
}

/** Reads a resource. */
export async function read(
  client: RecordingClient,
  uri: string,
): Promise<void> {
  await client.request("resources/read", { uri });
}

/** Calls with a token; the server tells of its progress. */
export async function progress(
  client: RecordingClient,
  progressToken: unknown,
): Promise<void> {
  const method = "notifications/progress";
  await call(client, "notify", {
    notifications: [
      { stream: "call", method, params: { progress: 1, total: 3 } },
      { stream: "call", method, params: { progress: 2.5, message: "\u00fc" } },
      { stream: "call", method, params: { progress: 3, total: 3, vendor: [] } },
    ],
  }, { progressToken });
}

/** Cancels a call once it runs; the server has heard of it then. */
export async function cancelled(client: RecordingClient): Promise<Exchange> {
  const id = "to be cancelled";
  const hanging = await client.start("tools/call", client.callOf("hang"), {
    id,
  });
  await client.until(hanging, "its start", isOf("notifications/message"));
  await client.notify("notifications/cancelled", {
    requestId: id,
    reason: "no longer needed",
  });
  await call(client, "observed", { method: "cancelled" });
  return hanging;
}

/** Lists to the last page. The ids do not tell how many there were. */
export async function list(
  client: RecordingClient,
  method: string,
): Promise<void> {
  let cursor: unknown;
  let page = 0;
  do {
    const exchange = await client.request(
      method,
      cursor === undefined ? undefined : { cursor },
      { id: `page ${page++}` },
    );
    cursor = at(exchange.last(), "result", "nextCursor");
  } while (cursor !== undefined);
}

/** Waits until the GET stream has shown a message, so often in this step. */
export async function shown(
  client: RecordingClient,
  method: string,
  times: number = 1,
): Promise<void> {
  if (client.stream === undefined) throw new Error("there is no GET stream");
  await client.until(client.stream, method, isOf(method), times);
}

/** Tells a message of a method. */
export function isOf(method: string): (message: unknown) => boolean {
  return (message) => at(message, "method") === method;
}

/**
 * Writes a call of a client of the stateless era as one in a session with a
 * server: another id, the server's own name, none of what only the stateless
 * era has. Values that are not concerned stay as they were written. Pure.
 *
 * @module
 */

import type { RequestMessage } from "../../../shared/jsonrpc/message.ts";
import { META } from "../../../shared/mcp.ts";
import {
  type ObjectText,
  readObject,
  readObjectText,
  writeObject,
} from "../object_text.ts";

/** What a call becomes. */
export interface CallRewriting {
  /** Its id in the session, raw JSON. */
  readonly id: string;
  /** What the server calls the tool, prompt or resource. */
  readonly name: string;
  /** Token of its progress in the session, raw JSON; none where unwanted. */
  readonly progressToken?: string | undefined;
}

/** Members of `_meta` that describe a request of the stateless era. */
const OF_ERA: readonly string[] = [
  META.protocolVersion,
  META.clientCapabilities,
  META.clientInfo,
  META.logLevel,
  "progressToken",
];

/**
 * Members of `params` that are not for the server: those by which the stateless
 * era carries on with a call, and the one that would make a task of it, which
 * nobody could ask after.
 */
const NOT_PASSED: readonly string[] = [
  "inputResponses",
  "requestState",
  "task",
];

/**
 * Writes the call, as JSON text.
 *
 * @param body The body that the request stands in.
 */
export function writeCall(
  body: Uint8Array,
  request: RequestMessage,
  rewriting: CallRewriting,
): string {
  const { id } = rewriting;
  const params = readObject(body, request.params);
  for (const key of NOT_PASSED) params.delete(key);
  rename(params, request.method, rewriting.name);
  writeMeta(params, rewriting.progressToken);
  return writeObject([
    ["jsonrpc", '"2.0"'],
    ["id", id],
    ["method", JSON.stringify(request.method)],
    ...(request.params === undefined
      ? []
      : [["params", writeObject(params)] as const]),
  ]);
}

/** Puts the server's own name where the client's stands. */
function rename(params: ObjectText, method: string, name: string): void {
  switch (method) {
    case "tools/call":
    case "prompts/get":
      replaceName(params, "name", name);
      break;
    case "completion/complete": {
      const ref = readObjectText(params.get("ref"));
      // A resource's URI is the same for all.
      replaceName(ref, "name", name);
      if (ref.size > 0) params.set("ref", writeObject(ref));
      break;
    }
  }
}

function replaceName(object: ObjectText, key: string, name: string): void {
  const written = object.get(key);
  // A name without a prefix keeps its spelling.
  if (written === undefined || JSON.parse(written) === name) return;
  object.set(key, JSON.stringify(name));
}

function writeMeta(
  params: ObjectText,
  progressToken: string | undefined,
): void {
  const written = params.get("_meta");
  if (written === undefined) return;
  const meta = readObjectText(written);
  for (const key of OF_ERA) meta.delete(key);
  if (progressToken !== undefined) meta.set("progressToken", progressToken);
  if (meta.size === 0) params.delete("_meta");
  else params.set("_meta", writeObject(meta));
}

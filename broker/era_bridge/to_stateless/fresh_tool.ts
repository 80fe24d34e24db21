/**
 * Reads a single tool anew from its server, with the credentials of the call
 * that wants it: where the server says that the headers of the call are not
 * what the tool asks for, the list that we have of it is out of date.
 *
 * @see https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http#client-behavior
 * @module
 */

import type { ServerConfig } from "../../../shared/config/model.ts";
import { GatewayError } from "../../../shared/errors.ts";
import { SERVER_JSON } from "../../../shared/jsonrpc/json_limits.ts";
import type { Span } from "../../../shared/jsonrpc/message.ts";
import {
  asString,
  elements,
  kindOf,
  members,
} from "../../../shared/jsonrpc/values.ts";
import {
  newRequest,
  type RequestEnvelope,
  writeRequest,
} from "../../../shared/stateless/write_request.ts";
import { readAnswer } from "./read_answer.ts";
import { sendUpstream, type UpstreamAccess } from "./upstream_request.ts";

/** A tool that is wanted. */
export interface WantedTool {
  /** Its server. */
  readonly server: ServerConfig;
  /** The server's own name for it. */
  readonly name: string;
  /** The client's `Authorization`, for servers that get to see it. */
  readonly authorization: string | undefined;
  /** What the requests say of themselves. */
  readonly envelope: RequestEnvelope;
}

/** What it takes. */
export interface ListAccess extends UpstreamAccess {
  /** Pages that are read. */
  readonly pagesPerServer: number;
  /** The next id of a request to a server, raw JSON. */
  readonly nextId: () => string;
}

/**
 * Reads the lists of a server until the tool is found.
 *
 * @returns Its JSON text; undefined where the server has no such tool.
 * @throws {GatewayError} Where it does not say.
 */
export async function freshTool(
  { server, name, authorization, envelope }: WantedTool,
  access: ListAccess,
  signal: AbortSignal,
): Promise<Uint8Array | undefined> {
  let cursor: string | undefined;
  for (let page = 0; page < access.pagesPerServer; page++) {
    const id = access.nextId();
    const params = cursor === undefined ? "{}" : JSON.stringify({ cursor });
    const written = writeRequest(newRequest(id, METHOD, params), { envelope });
    const response = await sendUpstream(
      { server, authorization, written, onNotification: () => {} },
      access,
      signal,
    );
    const answer = response.kind === "response"
      ? readAnswer(response.bytes, METHOD, id)
      : undefined;
    if (answer?.kind !== "complete") {
      const detail = `${server.name} does not list its tools`;
      throw new GatewayError({ kind: "server refused", detail });
    }
    const { bytes, result } = answer;
    const found = members(bytes, result, SERVER_JSON);
    const tool = toolIn(bytes, found.get("tools"), name);
    if (tool !== undefined) return tool;
    cursor = asString(bytes, found.get("nextCursor"), SERVER_JSON);
    if (cursor === undefined) return undefined;
  }
  return undefined;
}

const METHOD = "tools/list";

function toolIn(
  bytes: Uint8Array,
  tools: Span | undefined,
  name: string,
): Uint8Array | undefined {
  if (tools === undefined || kindOf(bytes, tools) !== "array") return undefined;
  const found = elements(bytes, tools, SERVER_JSON).findLast((tool) =>
    kindOf(bytes, tool) === "object" &&
    asString(
        bytes,
        members(bytes, tool, SERVER_JSON).get("name"),
        SERVER_JSON,
      ) === name
  );
  return found && bytes.subarray(found.start, found.end);
}

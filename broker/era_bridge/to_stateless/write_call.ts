/**
 * Writes a call of a client in a session as a request of the stateless era:
 * the client's own bytes, but for the server's name of what it calls, the
 * envelope, and, where the server asked for something, the answers. Pure.
 *
 * @see https://modelcontextprotocol.io/specification/2026-07-28/basic/patterns/mrtr#client-requirements-basic-workflow
 * @module
 */

import type { ParamHeader } from "../../../shared/catalog.ts";
import type {
  RequestMessage,
  StringSpan,
} from "../../../shared/jsonrpc/message.ts";
import { replaceString } from "../../../shared/jsonrpc/splice.ts";
import { text } from "../../../shared/jsonrpc/values.ts";
import {
  type RequestEnvelope,
  writeRequest,
  type WrittenRequest,
} from "../../../shared/stateless/write_request.ts";

/** A call as its client wrote it. */
export interface ClientCall {
  /** The request. */
  readonly request: RequestMessage;
  /** The body that it stands in. */
  readonly body: Uint8Array;
  /** The server's own name for what is called. */
  readonly name: string;
  /** Where in the body the client's name for it stands. */
  readonly named: StringSpan;
}

/** What a call carries when it is sent again. */
export interface Answers {
  /** Bare results by the server's keys, raw JSON; none where it asked nothing. */
  readonly responses: readonly (readonly [key: string, json: string])[];
  /** What the server gave for this, raw JSON; undefined where nothing. */
  readonly state: string | undefined;
}

/** How a call is sent. */
export interface CallToServer {
  /** What it says of itself. */
  readonly envelope: RequestEnvelope;
  /** Its id there, raw JSON: another one each time. */
  readonly id: string;
  /** Which arguments the tool mirrors in headers. */
  readonly paramHeaders: readonly ParamHeader[];
  /** What the server has asked for; absent the first time. */
  readonly answers?: Answers | undefined;
}

/** Writes the call. */
export function writeCall(
  { request, body, name, named }: ClientCall,
  { envelope, id, paramHeaders, answers }: CallToServer,
): WrittenRequest {
  const { responses = [], state } = answers ?? {};
  const params = new Map<string, string | undefined>([
    // Members by which only this era goes on with a call: never a client's.
    ["inputResponses", responses.length === 0 ? undefined : object(responses)],
    ["requestState", state],
    // A client's task (2025-11-25) is one that nobody here keeps.
    ["task", undefined],
  ]);
  if (name !== named.value) {
    const [key, json] = renamed(body, request, name, named);
    params.set(key, json);
  }
  const message = { bytes: body, message: request };
  return writeRequest(message, { envelope, id, paramHeaders, params });
}

/** The member of `params` that names what is called, with the server's name. */
function renamed(
  body: Uint8Array,
  { params }: RequestMessage,
  name: string,
  named: StringSpan,
): readonly [key: string, json: string] {
  const ref = params?.ref;
  if (ref === undefined || named.start < ref.start || named.end > ref.end) {
    return ["name", JSON.stringify(name)];
  }
  const { start, end } = ref;
  const within = {
    start: named.start - start,
    end: named.end - start,
    value: named.value,
  };
  const changed = replaceString(body.subarray(start, end), within, name);
  return ["ref", text(changed, { start: 0, end: changed.length })];
}

function object(
  members: readonly (readonly [key: string, json: string])[],
): string {
  const written = members.map(([key, json]) =>
    `${JSON.stringify(key)}:${json}`
  );
  return `{${written.join()}}`;
}

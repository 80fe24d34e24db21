/**
 * What becomes of a request that a server of the session era makes while it
 * has a call of a client of the stateless era. Pure.
 *
 * | request | the client declared | becomes |
 * |---|---|---|
 * | `ping` | | answered here |
 * | `elicitation/create` with a form | `elicitation.form`, or nothing in `elicitation` | a question to the client |
 * | `elicitation/create` with a URL | `elicitation.url` | a question |
 * | `sampling/createMessage` | `sampling` | a question |
 * | the same with tools | `sampling.tools` | a question |
 * | `roots/list` | `roots` | a question |
 * | one of these | not so | an error |
 * | anything else | | an error: the stateless era has no such request |
 *
 * @see https://modelcontextprotocol.io/specification/2026-07-28/basic/patterns/mrtr
 * @module
 */

import { isObject, member } from "../../../shared/jsonrpc/parsed.ts";
import type { ClientCapabilities } from "../../../shared/mcp.ts";
import { readObjectText, writeObject } from "../object_text.ts";

/** A server's request. */
export interface ServerRequest {
  /** Its id, raw JSON. */
  readonly id: string;
  /** The method. */
  readonly method: string;
  /** Its parameters, raw JSON. */
  readonly params?: string | undefined;
}

/** What becomes of it. */
export type RequestOutcome =
  /** A sign of life is wanted. */
  | { readonly kind: "answered" }
  /** The client is to be asked. */
  | {
    readonly kind: "question";
    /** What it is about, for its key. */
    readonly about: "elicitation" | "sampling" | "roots";
    /** The request as the stateless era has it, raw JSON. */
    readonly request: string;
  }
  | {
    readonly kind: "refused";
    readonly code: number;
    readonly message: string;
  };

const METHOD_NOT_FOUND = -32601;
const INVALID_PARAMS = -32602;

/** Decides. */
export function decideRequest(
  { method, params }: ServerRequest,
  capabilities: ClientCapabilities,
): RequestOutcome {
  switch (method) {
    case "ping":
      return { kind: "answered" };
    case "elicitation/create":
      return elicitation(params, member(capabilities, "elicitation"));
    case "sampling/createMessage":
      return sampling(params, member(capabilities, "sampling"));
    case "roots/list":
      return isObject(member(capabilities, "roots"))
        ? question("roots", method, params)
        : undeclared("roots");
    default:
      return {
        kind: "refused",
        code: METHOD_NOT_FOUND,
        message: "Method not found: the client cannot be asked this",
      };
  }
}

/** Whether a client can be asked to open a URL. */
export function canOpenUrls(capabilities: ClientCapabilities): boolean {
  const declared = member(capabilities, "elicitation");
  return isObject(declared) && isObject(member(declared, "url"));
}

/** Writes a question that asks to open a URL; the stateless era has no ids. */
export function elicitUrl(params: string): string {
  return write("elicitation/create", withoutElicitationId(params));
}

function elicitation(
  params: string | undefined,
  declared: unknown,
): RequestOutcome {
  if (!isObject(declared)) return undeclared("elicitation");
  const mode = readObjectText(params).get("mode");
  const isUrl = mode !== undefined && JSON.parse(mode) === "url";
  const modes = ["form", "url"].filter((one) =>
    isObject(member(declared, one))
  );
  // Nothing in it means forms (2026-07-28, elicitation, capabilities).
  const known = modes.length === 0 ? ["form"] : modes;
  if (!known.includes(isUrl ? "url" : "form")) {
    return {
      kind: "refused",
      code: INVALID_PARAMS,
      message: `The client did not declare elicitation.${
        isUrl ? "url" : "form"
      }`,
    };
  }
  return {
    kind: "question",
    about: "elicitation",
    request: write("elicitation/create", withoutElicitationId(params)),
  };
}

function sampling(
  params: string | undefined,
  declared: unknown,
): RequestOutcome {
  if (!isObject(declared)) return undeclared("sampling");
  const given = readObjectText(params);
  const wantsTools = given.has("tools") || given.has("toolChoice");
  return wantsTools && !isObject(member(declared, "tools"))
    ? {
      kind: "refused",
      code: INVALID_PARAMS,
      message: "The client did not declare sampling.tools",
    }
    : question("sampling", "sampling/createMessage", params);
}

function undeclared(capability: string): RequestOutcome {
  return {
    kind: "refused",
    code: METHOD_NOT_FOUND,
    message: `Method not found: the client did not declare ${capability}`,
  };
}

function question(
  about: "sampling" | "roots",
  method: string,
  params: string | undefined,
): RequestOutcome {
  return { kind: "question", about, request: write(method, params) };
}

function withoutElicitationId(params: string | undefined): string | undefined {
  if (params === undefined) return undefined;
  const members = readObjectText(params);
  return members.delete("elicitationId") ? writeObject(members) : params;
}

function write(method: string, params: string | undefined): string {
  return writeObject([
    ["method", JSON.stringify(method)],
    ...(params === undefined ? [] : [["params", params] as const]),
  ]);
}

/**
 * Finds what a request asks a server for, and where in the body that is named.
 * Router and broker both read it here, so that a call means the same to both.
 * Pure.
 *
 * @module
 */

import type { Refusal } from "../errors.ts";
import type { RequestMessage, StringSpan } from "../jsonrpc/message.ts";
import { kindOf, members, stringSpan } from "../jsonrpc/values.ts";
import { variantAmong } from "../jsonrpc/variants.ts";

/** What a request is about. */
export type TargetKind = "tool" | "prompt" | "resource";

/** Outcome of looking at a request. */
export type CallTarget =
  | {
    readonly kind: "target";
    /** What it is. */
    readonly target: TargetKind;
    /** Its name, or URI, as the client writes it, and where that stands. */
    readonly named: StringSpan;
  }
  /** It asks for nothing that one server has. */
  | { readonly kind: "none" }
  | { readonly kind: "refused"; readonly refusal: Refusal };

/** Longest exposed name: what the catalog lists, and the longest prefix. */
const MAX_NAME = 256;
/** Longest URI that goes on: it becomes a header. */
const MAX_URI = 8192;

/**
 * Finds what a request is about.
 *
 * | method | target |
 * |---|---|
 * | tools/call, prompts/get | `params.name` |
 * | resources/read, subscribe, unsubscribe | `params.uri` |
 * | completion/complete | the prompt or template in `params.ref` |
 * | any other | none |
 *
 * @param bytes The body that the request stands in.
 */
export function callTarget(
  bytes: Uint8Array,
  request: RequestMessage,
): CallTarget {
  const { method, params } = request;
  switch (method) {
    case "tools/call":
      return byName("tool", params?.name);
    case "prompts/get":
      return byName("prompt", params?.name);
    case "resources/read":
    case "resources/subscribe":
    case "resources/unsubscribe":
      return byUri(params?.uri);
    case "completion/complete":
      return byReference(bytes, request);
    default:
      return { kind: "none" };
  }
}

function byName(
  target: "tool" | "prompt",
  name: StringSpan | undefined,
): CallTarget {
  if (name === undefined) return invalid("params.name must be a string");
  return name.value.length > MAX_NAME
    ? invalid("params.name is too long for a name")
    : { kind: "target", target, named: name };
}

function byUri(uri: StringSpan | undefined): CallTarget {
  if (uri === undefined) return invalid("the uri must be a string");
  return uri.value.length > MAX_URI
    ? invalid("the uri is too long")
    : { kind: "target", target: "resource", named: uri };
}

/** completion/complete names a prompt, or a template, in an object of its own. */
function byReference(
  bytes: Uint8Array,
  { params }: RequestMessage,
): CallTarget {
  const ref = params?.ref;
  if (ref === undefined || kindOf(bytes, ref) !== "object") {
    return invalid("params.ref must be an object");
  }
  const found = members(bytes, ref);
  if (variantAmong(found.keys(), ["type", "name", "uri"]) !== undefined) {
    return invalid("params.ref has a variant of a member's name");
  }
  const text = (key: string): StringSpan | undefined => {
    const span = found.get(key);
    return span !== undefined && kindOf(bytes, span) === "string"
      ? stringSpan(bytes, span)
      : undefined;
  };
  switch (text("type")?.value) {
    case "ref/prompt":
      return byName("prompt", text("name"));
    case "ref/resource":
      return byUri(text("uri"));
    default:
      return invalid("params.ref.type is neither ref/prompt nor ref/resource");
  }
}

function invalid(detail: string): CallTarget {
  return { kind: "refused", refusal: { kind: "invalid params", detail } };
}

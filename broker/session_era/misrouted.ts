/**
 * Calls that reached the broker although they go from Envoy to their server:
 * refused, each as the router would refuse it where nobody has what it asks
 * for, else with where to send it. Pure.
 *
 * @module
 */

import type { Refusal } from "../../shared/errors.ts";
import type { RequestMessage } from "../../shared/jsonrpc/message.ts";
import { asString, kindOf, members } from "../../shared/jsonrpc/values.ts";
import { KINDS } from "../catalog/kinds.ts";
import type { MergedItem } from "../catalog/merge.ts";
import type { View } from "../catalog/views.ts";

/**
 * Refuses a tools/call, prompts/get, completion/complete, or a resource's
 * read, subscribe or unsubscribe.
 *
 * @param body The body that the request stands in.
 * @param view What of the catalog the client sees.
 */
export function refuseCall(
  body: Uint8Array,
  { method, params }: RequestMessage,
  view: View,
): Refusal {
  switch (method) {
    case "tools/call":
      return byName("tools", "params.name", params?.name?.value, view);
    case "prompts/get":
      return byName("prompts", "params.name", params?.name?.value, view);
    case "resources/read":
    case "resources/subscribe":
    case "resources/unsubscribe":
      return byUri("params.uri", params?.uri?.value, view);
    default:
      return byReference(body, params?.ref, view);
  }
}

function byName(
  kind: "tools" | "prompts",
  member: string,
  name: string | undefined,
  view: View,
): Refusal {
  if (name === undefined) return notString(member);
  const { noun } = KINDS[kind];
  const item = view.items[kind].get(name);
  return item === undefined
    ? {
      kind: kind === "tools" ? "unknown tool" : "unknown prompt",
      detail: name,
    }
    : misrouted(noun, item);
}

function byUri(member: string, uri: string | undefined, view: View): Refusal {
  if (uri === undefined) return notString(member);
  const item = view.resource(uri);
  return item === undefined
    ? { kind: "unknown resource", data: { uri } }
    : misrouted("resource", item);
}

/** completion/complete names a prompt, or a resource's template. */
function byReference(
  body: Uint8Array,
  ref: NonNullable<RequestMessage["params"]>["ref"],
  view: View,
): Refusal {
  if (ref === undefined || kindOf(body, ref) !== "object") {
    return { kind: "invalid params", detail: "params.ref is not an object" };
  }
  const found = members(body, ref);
  const text = (key: string) => asString(body, found.get(key));
  switch (text("type")) {
    case "ref/prompt":
      return byName("prompts", "params.ref.name", text("name"), view);
    case "ref/resource":
      return byUri("params.ref.uri", text("uri"), view);
    default:
      return {
        kind: "invalid params",
        detail: "params.ref.type is neither ref/prompt nor ref/resource",
      };
  }
}

function notString(member: string): Refusal {
  return { kind: "invalid params", detail: `${member} is not a string` };
}

function misrouted(noun: string, { server }: MergedItem): Refusal {
  return {
    kind: "internal error",
    detail:
      `the call of a ${noun} of server ${server} reached the broker: send it through Envoy and its router`,
  };
}

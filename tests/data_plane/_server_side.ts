/**
 * What the server received of a conversation, for a comparison like that of
 * what the client received. Pure.
 *
 * @module
 */

import { parseExactly } from "../support/exact_json.ts";
import type { TappedRequest } from "../support/tap.ts";
import { at } from "./_transcript.ts";

/** A kind of message that need not be the same, and why. */
export interface Unheard {
  /** What. */
  readonly what: string;
  /** Why. */
  readonly why: string;
  /** Whether a message is of the kind. */
  readonly is: (message: unknown, method: string) => boolean;
}

/** What a server behind the gateway may hear more or less of. */
export const UNHEARD: readonly Unheard[] = [
  {
    what: "pings and lists",
    why: "the gateway answers them",
    is: (_message, method) => method === "ping" || method.endsWith("/list"),
  },
  {
    what: "what the gateway refuses",
    why: "a call for nobody reaches nobody",
    is: (message, method) =>
      method === "vendor/unknown" ||
      ["tools/call", "prompts/get"].includes(method) &&
        [undefined, "nope"].includes(at(message, "params", "name") as string) ||
      at(message, "params", "uri") === "nowhere://x",
  },
  {
    what: "answers to what nobody asked",
    why: "an answer goes to the server that asked",
    is: (message) => JSON.stringify(at(message, "id")) === "4711",
  },
];

/** What a request without the header is of (2025-06-18, transports). */
const ASSUMED = "2025-03-26";

/**
 * Messages that the server got in the session in which tools were called,
 * until it was deleted, as JSON, with the revision of the request; sorted, as the order in which different
 * requests arrive is nobody's promise.
 *
 * @param except What must be the same this time.
 */
export function heardBy(
  requests: readonly TappedRequest[],
  except?: Unheard,
): string[] {
  const inSession = ofSession(requests);
  const end = inSession.findIndex(({ method }) => method === "DELETE");
  return inSession.slice(0, end === -1 ? undefined : end)
    .filter(({ method }) => method === "POST")
    .flatMap(({ body, headers }) =>
      [parseExactly(body)].flat().map((message) => ({
        message,
        revision: headers.get("mcp-protocol-version") ?? ASSUMED,
      }))
    )
    .filter(({ message }) => {
      const method = String(at(message, "method") ?? "");
      return !UNHEARD.some((kind) =>
        kind !== except && kind.is(message, method)
      );
    })
    .map(({ message, revision }) =>
      `${revision}: ${JSON.stringify(withoutOwnId(message))}`
    )
    .toSorted();
}

/** How often the session in which tools were called was deleted. */
export function deletions(requests: readonly TappedRequest[]): number {
  return ofSession(requests).filter(({ method }) => method === "DELETE").length;
}

function ofSession(
  requests: readonly TappedRequest[],
): readonly TappedRequest[] {
  const call = requests.find(({ body }) => body.includes('"tools/call"'));
  return requests.filter(({ session }) => session === call?.session);
}

/** What the gateway says on the client's behalf has ids of its own. */
function withoutOwnId(message: unknown): unknown {
  const method = at(message, "method");
  return method === "initialize" || method === "logging/setLevel"
    ? { method, params: at(message, "params") }
    : message;
}

/**
 * The phases of an exchange, as Envoy announces them, in the router's own
 * words. Types only.
 *
 * @module
 */

import type { ResponseHead } from "./decide_response.ts";
import type { RequestHead } from "./request_head.ts";

/** One phase of an exchange, as Envoy announces it. */
export type Phase =
  | { readonly kind: "request headers"; readonly head: RequestHead }
  | { readonly kind: "request body"; readonly bytes: Uint8Array }
  | { readonly kind: "response headers"; readonly head: ResponseHead }
  /** A chunk of a response's body; `end` is said of the last, maybe empty one. */
  | {
    readonly kind: "response body";
    readonly bytes: Uint8Array;
    readonly end: boolean;
  }
  /** Trailers behind a request's body; none are ever wanted. */
  | { readonly kind: "request trailers"; readonly names: readonly string[] }
  /** A phase that the router never asks for. */
  | { readonly kind: "unexpected"; readonly name: string };

/** Phases that are answered. */
export type PhaseKind = Exclude<
  Phase["kind"],
  "unexpected" | "request trailers"
>;

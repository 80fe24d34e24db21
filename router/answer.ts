/**
 * What the router says to Envoy, in the router's own words: the vocabulary
 * between the decisions and the ext_proc edge. Types only; `wire/` turns
 * them into protobuf.
 *
 * @module
 */

/** Header name, lower case, and value. */
export type HeaderEntry = readonly [name: string, value: string];

/** Changes to a header map; removals happen before settings. */
export interface HeaderChanges {
  /** Set, replacing what is there. Pseudo-headers included. */
  readonly set: readonly HeaderEntry[];
  /** Names to remove. */
  readonly remove: readonly string[];
}

/**
 * Which further phases of this exchange Envoy shall send (ext_proc
 * `mode_override`); possible only in the answer to request headers.
 */
export interface Phases {
  /** The whole request body in one message. */
  readonly requestBody: boolean;
  /** The response's headers. */
  readonly responseHeaders: boolean;
}

/** Facts for access logs, rate limits, authorisation: dynamic metadata `mcp`. */
export type Metadata = Readonly<Record<string, string>>;

/** Lets the request or response go on, changed as told. */
export interface Continue {
  /** `continue`. */
  readonly kind: "continue";
  /** Header changes. */
  readonly headers?: HeaderChanges;
  /**
   * The new body, or chunk of one, where it changes. With a whole body
   * `content-length` must be set; an empty chunk is none.
   */
  readonly body?: Uint8Array;
  /** Envoy selects the route again, by the changed headers. */
  readonly reroute?: boolean;
  /** Further phases wanted. */
  readonly phases?: Phases;
  /** Dynamic metadata to set. */
  readonly metadata?: Metadata;
  /**
   * The response's body is wanted chunk by chunk; possible only in the answer
   * to response headers.
   */
  readonly streamBody?: boolean;
  /**
   * Nothing that is still to come concerns the router: Envoy lets it pass
   * without asking.
   */
  readonly letGo?: boolean;
}

/** Ends the exchange with a reply of our own (ext_proc ImmediateResponse). */
export interface Reply {
  /** `reply`. */
  readonly kind: "reply";
  /** HTTP status. */
  readonly status: number;
  /** Headers, `content-length` excluded: Envoy sets it. */
  readonly headers: readonly HeaderEntry[];
  /** The whole body. */
  readonly body: string | Uint8Array;
  /** For Envoy's access log (`%RESPONSE_CODE_DETAILS%`). */
  readonly details: string;
}

/** Answer to one phase. */
export type Answer = Continue | Reply;

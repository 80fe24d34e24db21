/**
 * The words of the Model Context Protocol that the gateway acts on: revisions,
 * methods and the headers the specification defines. Holds no behaviour beyond
 * looking a word up.
 *
 * @module
 */

/**
 * Revisions of the session era that the gateway negotiates, newest first.
 *
 * @see https://modelcontextprotocol.io/specification/2025-11-25/basic/lifecycle#version-negotiation
 */
export const SESSION_REVISIONS = [
  "2025-11-25",
  "2025-06-18",
  "2025-03-26",
] as const;

/** A revision of the session era, spoken to clients. */
export type SessionRevision = typeof SESSION_REVISIONS[number];

/** The newest revision of the session era: what the gateway offers first. */
export const LATEST_SESSION_REVISION: SessionRevision = SESSION_REVISIONS[0];

/** The revision a request without a version header is taken to speak. */
export const DEFAULT_SESSION_REVISION: SessionRevision = "2025-03-26";

/**
 * Revisions accepted from servers, newest first: those spoken to clients, and
 * the first one, which some servers still answer over streamable HTTP.
 */
export const UPSTREAM_REVISIONS = [...SESSION_REVISIONS, "2024-11-05"] as const;

/** A revision accepted from a server. */
export type UpstreamRevision = typeof UPSTREAM_REVISIONS[number];

/** Tells whether `value` is a revision of the session era. */
export function isSessionRevision(value: unknown): value is SessionRevision {
  return (SESSION_REVISIONS as readonly unknown[]).includes(value);
}

/** Tells whether `value` is a revision that a server may answer with. */
export function isUpstreamRevision(value: unknown): value is UpstreamRevision {
  return (UPSTREAM_REVISIONS as readonly unknown[]).includes(value);
}

/**
 * Answers the revision to put into an InitializeResult: the client's own where
 * the gateway speaks it, else the gateway's latest. Never an error
 * (2025-11-25, lifecycle, version negotiation).
 *
 * @example
 * ```ts
 * import { negotiateRevision } from "./mcp.ts";
 *
 * negotiateRevision("2025-06-18"); // "2025-06-18"
 * negotiateRevision("2026-07-28"); // "2025-11-25"
 * ```
 */
export function negotiateRevision(requested: unknown): SessionRevision {
  return isSessionRevision(requested) ? requested : LATEST_SESSION_REVISION;
}

/**
 * Revisions of the stateless era, newest first: each request is complete in
 * itself.
 *
 * @see https://modelcontextprotocol.io/specification/2026-07-28/basic/versioning
 */
export const STATELESS_REVISIONS = ["2026-07-28"] as const;

/** A revision of the stateless era. */
export type StatelessRevision = typeof STATELESS_REVISIONS[number];

/** The newest revision of the stateless era: what the gateway speaks first. */
export const LATEST_STATELESS_REVISION: StatelessRevision =
  STATELESS_REVISIONS[0];

/** Tells whether `value` is a revision of the stateless era. */
export function isStatelessRevision(
  value: unknown,
): value is StatelessRevision {
  return (STATELESS_REVISIONS as readonly unknown[]).includes(value);
}

/** How a server or a client speaks: with sessions, or self-contained. */
export type Era = "session" | "stateless";

/**
 * Members of `_meta` that the stateless era gives a meaning.
 *
 * @see https://modelcontextprotocol.io/specification/2026-07-28/basic#_meta
 */
export const META = {
  /** Of a request: its revision. */
  protocolVersion: "io.modelcontextprotocol/protocolVersion",
  /** Of a request: what its client can be asked for. */
  clientCapabilities: "io.modelcontextprotocol/clientCapabilities",
  /** Of a request: what its client calls itself. */
  clientInfo: "io.modelcontextprotocol/clientInfo",
  /** Of a request: the lowest level of log messages that it wants. */
  logLevel: "io.modelcontextprotocol/logLevel",
  /** Of a result: what its server calls itself. */
  serverInfo: "io.modelcontextprotocol/serverInfo",
  /** Of what a subscription brings: the id of the request that opened it. */
  subscriptionId: "io.modelcontextprotocol/subscriptionId",
} as const;

/** What a client declared at `initialize`; unknown members are kept. */
export type ClientCapabilities = Readonly<Record<string, unknown>>;

/** Capabilities by which a client lets servers ask it something. */
const ASKABLE = ["sampling", "elicitation", "roots"];

/**
 * Tells whether servers may ask a client more than `ping`, which needs no
 * capability.
 *
 * @example
 * ```ts
 * import { canBeAsked } from "./mcp.ts";
 *
 * canBeAsked({ elicitation: {} }); // true
 * canBeAsked({ experimental: {} }); // false
 * ```
 */
export function canBeAsked(capabilities: ClientCapabilities): boolean {
  return ASKABLE.some((name) => Object.hasOwn(capabilities, name));
}

/** Name and version of a client or server; unknown members are kept. */
export interface Implementation {
  /** The program's name, for machines. */
  readonly name: string;
  /** The program's version. */
  readonly version: string;
  /** Whatever else it says of itself. */
  readonly [member: string]: unknown;
}

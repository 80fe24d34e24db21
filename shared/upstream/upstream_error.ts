/**
 * What goes wrong between the broker and one MCP server, as one class with a
 * closed set of kinds, so that the supervisor can decide by kind.
 *
 * @module
 */

/**
 * Kinds of failure.
 *
 * | kind | meaning |
 * |---|---|
 * | `unreachable` | no HTTP answer, or the stream broke |
 * | `timed out` | no whole answer in time |
 * | `refused` | an HTTP status that is no answer: 401, 403, 5xx, a redirect |
 * | `session gone` | 404 in a session: send initialize again |
 * | `below minimum` | reached, but of no use: revision or capabilities |
 * | `other era` | it speaks the other era than it did, or is said to |
 * | `rpc error` | the server answered with a JSON-RPC error |
 * | `invalid answer` | not MCP |
 * | `too large` | an answer beyond its limit |
 */
export type UpstreamErrorKind =
  | "unreachable"
  | "timed out"
  | "refused"
  | "session gone"
  | "below minimum"
  | "other era"
  | "rpc error"
  | "invalid answer"
  | "too large";

/** Details of an {@linkcode UpstreamError}. */
export interface UpstreamErrorOptions {
  /** What happened, for people; never holds credentials or bodies. */
  readonly message: string;
  /** HTTP status, where there was one. */
  readonly status?: number;
  /** JSON-RPC code, where there was one. */
  readonly code?: number;
  /** What a JSON-RPC error came with, raw JSON, where there was something. */
  readonly data?: string;
  /** What went wrong underneath. */
  readonly cause?: unknown;
}

/** A failure of one server. */
export class UpstreamError extends Error {
  /** What kind of failure. */
  readonly kind: UpstreamErrorKind;
  /** HTTP status, where there was one. */
  readonly status: number | undefined;
  /** JSON-RPC code, where there was one. */
  readonly code: number | undefined;
  /** What a JSON-RPC error came with, raw JSON, where there was something. */
  readonly data: string | undefined;

  /** Builds an error. */
  constructor(kind: UpstreamErrorKind, options: UpstreamErrorOptions) {
    super(options.message, { cause: options.cause });
    this.name = "UpstreamError";
    this.kind = kind;
    this.status = options.status;
    this.code = options.code;
    this.data = options.data;
  }
}

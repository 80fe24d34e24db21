/**
 * The contract by which the router tells the broker of a session that it has
 * just opened with a server: a POST of JSON to the broker's internal listener
 * under {@linkcode HELD_STREAMS_PATH}. Answered 204 once the broker listens
 * there (or knows that it cannot), 404 at once where it holds no stream of
 * that client's.
 *
 * @module
 */

/** Path on the broker's internal listener. */
export const HELD_STREAMS_PATH = "/held-streams";

/** What the router says. */
export interface HeldStreamHint {
  /** The client session's random id. */
  readonly session: string;
  /** Name of the server. */
  readonly server: string;
}

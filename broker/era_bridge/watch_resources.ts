/**
 * The contract between whoever wants to hear of changes of resources and the
 * two ways of hearing of them: subscriptions in a session, and
 * `subscriptions/listen`. Types only.
 *
 * @module
 */

import type { ServerConfig } from "../../shared/config/model.ts";

/** Who wants to hear of which resources. */
export interface ResourceWatch {
  /** The server that has them. */
  readonly server: ServerConfig;
  /** Their URIs. */
  readonly uris: readonly string[];
  /** Hash of issuer and subject of who watches, or "" for anonymous ones. */
  readonly identity: string;
  /** The `authorization` header that the watch was asked for with. */
  readonly authorization: string | undefined;
  /**
   * Told of each update.
   *
   * @param params `params` of `notifications/resources/updated`: JSON text as
   * the server wrote it.
   */
  readonly onUpdated: (params: Uint8Array) => void;
  /** Ends the watch. */
  readonly signal: AbortSignal;
}

/**
 * Watches resources of one server until the signal aborts; a connection that
 * is lost meanwhile is made anew.
 *
 * @returns The URIs that the server honours, once it is subscribed to them;
 * none where it cannot be reached or has no such thing.
 */
export type WatchResources = (
  watch: ResourceWatch,
) => Promise<readonly string[]>;

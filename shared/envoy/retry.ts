/**
 * Trying another process of the gateway's own where one cannot be reached:
 * only what was never sent is sent again, so that nothing runs twice. Pure.
 *
 * @module
 */

import { any, type JsonObject } from "./json.ts";

/** Other processes that are tried. */
const RETRIES = 2;
/** Picks after which a process that was tried already is taken all the same. */
const PICKS = 3;

/**
 * A retry policy, the same for a route and for a gRPC service. The cluster's
 * circuit breaker has to allow retries.
 */
export function retryElsewhere(): JsonObject {
  return {
    retry_on: "connect-failure,refused-stream,reset-before-request",
    num_retries: RETRIES,
    retry_host_predicate: [{
      name: "envoy.retry_host_predicates.previous_hosts",
      typed_config: any(
        "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
        {},
      ),
    }],
    host_selection_retry_max_attempts: PICKS,
  };
}

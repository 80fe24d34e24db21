/**
 * Counts what is translated for clients of the stateless era.
 *
 * @module
 */

import type { Metrics } from "../../../shared/telemetry.ts";
import type { ParkedOutcome } from "./open_calls.ts";
import type { ToSessionBridge } from "./to_session.ts";

/** The bridge's metrics, before there is a bridge. */
export interface ToSessionMetrics {
  /** Counts a call that does not wait for its client any more. */
  readonly onUnparked: (outcome: ParkedOutcome) => void;
  /** Shows what a bridge has. */
  readonly show: (bridge: Pick<ToSessionBridge, "counts">) => void;
}

/** Adds the metrics. */
export function toSessionMetrics(metrics: Metrics): ToSessionMetrics {
  const ended = metrics.counter(
    "mcp_gateway_parked_calls_total",
    "Calls that waited for answers of their clients, by how that ended.",
    ["outcome"],
  );
  const calls = metrics.gauge(
    "mcp_gateway_bridged_calls",
    "Calls to servers of the session era that are translated, by state.",
    ["state"],
  );
  const sessions = metrics.gauge(
    "mcp_gateway_bridge_sessions",
    "Sessions with servers that are held for clients of the stateless era, by state.",
    ["state"],
  );
  return {
    onUnparked: (outcome) => ended.labels({ outcome }).inc(),
    show: (bridge) =>
      metrics.onExpose(() => {
        const { running, parked, sessions: held } = bridge.counts;
        calls.labels({ state: "running" }).set(running);
        calls.labels({ state: "parked" }).set(parked);
        sessions.labels({ state: "used" }).set(held.used);
        sessions.labels({ state: "idle" }).set(held.idle);
      }),
  };
}
